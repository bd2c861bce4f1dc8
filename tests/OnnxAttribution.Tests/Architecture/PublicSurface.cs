using System.Reflection;
using System.Runtime.CompilerServices;

namespace OnnxAttribution.Tests.Architecture;

/// <summary>What of an assembly others can call, as text: one line per type and member, in a fixed order.</summary>
internal static class PublicSurface
{
    private const BindingFlags Declared = BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Instance | BindingFlags.Static
        | BindingFlags.DeclaredOnly;

    private static readonly NullabilityInfoContext s_nullability = new();

    public static string Of(Assembly assembly) =>
        string.Concat(assembly.GetExportedTypes().OrderBy(t => t.FullName, StringComparer.Ordinal).Select(t => Of(t) + "\n"));

    private static string Of(Type type)
    {
        var members = type.IsEnum
            ? Enum.GetNames(type).Select(n => $"{n} = {Convert.ToInt64(Enum.Parse(type, n))}")
            : Constructors(type).Concat(Fields(type)).Concat(Properties(type)).Concat(Methods(type)).Order(StringComparer.Ordinal);
        return string.Join('\n', members.Select(m => "    " + m).Prepend(Heading(type))) + "\n";
    }

    private static string Heading(Type type)
    {
        var kind = type.IsEnum ? "enum"
            : type.IsInterface ? "interface"
            : IsRecord(type) ? type.IsValueType ? "record struct" : "record"
            : type.IsValueType ? "struct"
            : "class";
        var modifier = type is { IsAbstract: true, IsSealed: true } ? "static "
            : type.IsAbstract && !type.IsInterface ? "abstract "
            : type.IsSealed && !type.IsValueType ? "sealed "
            : "";
        var bases = (type.BaseType is { } b && b != typeof(object) && b != typeof(ValueType) && b != typeof(Enum) ? [b] : Type.EmptyTypes)
            .Concat(type.IsEnum ? [] : type.GetInterfaces()
                .Where(i => i.IsPublic && i.Name != "IEquatable`1" && type.BaseType?.GetInterfaces().Contains(i) != true))
            .Select(Name)
            .ToList();
        return $"{modifier}{kind} {type.Namespace}.{Name(type)}{(bases.Count > 0 ? " : " + string.Join(", ", bases) : "")}";
    }

    private static IEnumerable<string> Constructors(Type type) =>
        type.GetConstructors(Declared).Where(c => Seen(c) && !c.IsStatic && !Generated(c)).Select(c => $"{Name(type)}({Parameters(c)})");

    private static IEnumerable<string> Fields(Type type) => type.GetFields(Declared).Where(f => f.IsPublic || f.IsFamily)
        .Select(f =>
            $"{(f.IsLiteral ? "const " : f.IsStatic ? "static " : "")}{Name(f.FieldType)} "
            + $"{f.Name}{(f.IsLiteral ? " = " + f.GetRawConstantValue() : "")}");

    private static IEnumerable<string> Properties(Type type) =>
        type.GetProperties(Declared).Where(p => p.Name != "EqualityContract" && p.GetAccessors(nonPublic: true).Any(Seen)).Select(p =>
        {
            var set = p.SetMethod is { } s && Seen(s)
                ? s.ReturnParameter.GetRequiredCustomModifiers().Contains(typeof(IsExternalInit)) ? " init;" : " set;"
                : "";
            var required = p.IsDefined(typeof(RequiredMemberAttribute)) ? "required " : "";
            var index = p.GetIndexParameters() is { Length: > 0 } i ? $"this[{string.Join(", ", i.Select(Parameter))}]" : p.Name;
            var scope = p.GetAccessors(true)[0].IsStatic ? "static " : "";
            var get = p.GetMethod is { } g && Seen(g) ? " get;" : "";
            return $"{scope}{required}{Name(p.PropertyType)}{Mark(s_nullability.Create(p), p.PropertyType)} {index} {{{get}{set} }}";
        });

    private static IEnumerable<string> Methods(Type type) =>
        type.GetMethods(Declared)
            .Where(m => Seen(m) && !Generated(m) && (!m.IsSpecialName || m.Name.StartsWith("op_", StringComparison.Ordinal)))
            .Select(m =>
                $"{(m.IsStatic ? "static " : "")}{Name(m.ReturnType)}{Mark(s_nullability.Create(m.ReturnParameter), m.ReturnType)} "
                + $"{m.Name}{(m.IsGenericMethod ? $"<{string.Join(", ", m.GetGenericArguments().Select(Name))}>" : "")}({Parameters(m)})");

    private static string Parameters(MethodBase method) => string.Join(", ", method.GetParameters().Select(Parameter));

    private static string Parameter(ParameterInfo p)
    {
        var by = p.IsOut ? "out "
            : p.ParameterType.IsByRef ? p.IsIn ? "in " : "ref "
            : p.IsDefined(typeof(ParamArrayAttribute)) ? "params "
            : "";
        var given = p.DefaultValue switch
        {
            null => p.ParameterType.IsValueType && Nullable.GetUnderlyingType(p.ParameterType) is null ? "default" : "null",
            string s => $"\"{s}\"",
            bool b => b ? "true" : "false",
            var v => Convert.ToString(v, System.Globalization.CultureInfo.InvariantCulture),
        };
        var value = p.HasDefaultValue ? $" = {given}" : "";
        return $"{by}{Name(p.ParameterType)}{Mark(s_nullability.Create(p), p.ParameterType)} {p.Name}{value}";
    }

    private static string Mark(NullabilityInfo info, Type type) =>
        info.ReadState == NullabilityState.Nullable && !type.IsValueType && !type.IsByRef ? "?" : "";

    private static bool Seen(MethodBase m) => m.IsPublic || m.IsFamily || m.IsFamilyOrAssembly;

    // what the compiler adds to records
    private static bool Generated(MethodBase m) => m.IsDefined(typeof(CompilerGeneratedAttribute)) || m.Name.StartsWith('<');

    private static bool IsRecord(Type type) => type.GetMethod("PrintMembers", Declared) is { } m && Generated(m);

    private static string Name(Type type)
    {
        if (type.IsByRef) return Name(type.GetElementType()!);
        if (type.IsArray) return $"{Name(type.GetElementType()!)}[{new string(',', type.GetArrayRank() - 1)}]";
        if (Nullable.GetUnderlyingType(type) is { } inner) return Name(inner) + "?";
        if (type.IsGenericParameter) return type.Name;
        if (type.FullName is not null && type.FullName.StartsWith("System.ValueTuple`", StringComparison.Ordinal))
        {
            return $"({string.Join(", ", type.GetGenericArguments().Select(Name))})";
        }
        var name = type.IsGenericType && type.Name.Contains('`')
            ? $"{type.Name[..type.Name.IndexOf('`')]}<{string.Join(", ", type.GetGenericArguments().Select(Name))}>"
            : type.Name;
        if (type.IsNested) return $"{Name(type.DeclaringType!)}.{name}";
        return type.Namespace == "System" ? name switch
        {
            "Int32" => "int",
            "Int64" => "long",
            "Single" => "float",
            "Double" => "double",
            "Boolean" => "bool",
            "String" => "string",
            "Void" => "void",
            "Object" => "object",
            "Byte" => "byte",
            _ => name,
        } : name;
    }
}
