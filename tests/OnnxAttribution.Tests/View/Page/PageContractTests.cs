using System.Reflection;
using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.RegularExpressions;
using OnnxAttribution.View.Page;

namespace OnnxAttribution.Tests.View.Page;

/// <summary>The records that are written into a page, and the script's contract, which reads them.</summary>
public partial class PageContractTests
{
    private static readonly Dictionary<Type, string> s_names = new()
    {
        [typeof(PageContent)] = "PageData",
        [typeof(PageNode)] = "NodeData",
        [typeof(PageBatch)] = "Batch",
        [typeof(NumberPair)] = "[number, number]",
        [typeof(TextPair)] = "[string, string]",
        [typeof(string)] = "string",
        [typeof(bool)] = "boolean",
    };

    [Theory, InlineData("contract.ts", typeof(PageContent)), InlineData("batch-contract.ts", typeof(PageBatch))]
    public void The_scripts_contract_has_the_records_properties_and_their_types(string file, Type content)
    {
        var contract = Interfaces(file);
        var records = Records(content);
        Assert.Equal(records.Keys.Order(), contract.Keys.Order());
        foreach (var (name, properties) in records)
        {
            Assert.Equal(properties.OrderBy(p => p.Key), contract[name].OrderBy(p => p.Key));
        }
    }

    private static Dictionary<string, Dictionary<string, string>> Records(Type content)
    {
        var result = new Dictionary<string, Dictionary<string, string>>();
        var nullability = new NullabilityInfoContext();
        var open = new Stack<Type>([content]);
        while (open.TryPop(out var record))
        {
            var properties = new Dictionary<string, string>();
            if (!result.TryAdd(NameOf(record), properties)) continue;
            foreach (var property in record.GetProperties())
            {
                var name = property.GetCustomAttribute<JsonPropertyNameAttribute>()?.Name
                    ?? JsonNamingPolicy.CamelCase.ConvertName(property.Name);
                var isNull = nullability.Create(property).ReadState == NullabilityState.Nullable;
                properties[name] = TypeScript(property.PropertyType, open) + (isNull ? " | null" : "");
            }
        }
        return result;
    }

    private static string TypeScript(Type type, Stack<Type> open)
    {
        type = Nullable.GetUnderlyingType(type) ?? type;
        if (!type.IsGenericType)
        {
            if (type.Namespace == typeof(PageContent).Namespace && !s_names.ContainsKey(type) || type == typeof(PageNode)) open.Push(type);
            return NameOf(type);
        }
        Assert.Equal(typeof(IReadOnlyList<>), type.GetGenericTypeDefinition());
        var item = type.GetGenericArguments()[0];
        var element = TypeScript(item, open) + (Nullable.GetUnderlyingType(item) is null ? "" : " | null");
        return element.Contains(" | ") ? $"({element})[]" : element + "[]";
    }

    private static string NameOf(Type type) => s_names.TryGetValue(type, out var name) ? name
        : type == typeof(int) || type == typeof(long) || type == typeof(double) ? "number"
        : type.Name["Page".Length..];

    private static Dictionary<string, Dictionary<string, string>> Interfaces(string file)
    {
        var contract = File.ReadAllText(Path.Combine(Repository.Root, $"src/OnnxAttribution/View/Page/script/{file}"));
        return Interface().Matches(contract).ToDictionary(m => m.Groups["name"].Value,
            m => Member().Matches(m.Groups["members"].Value).ToDictionary(p => p.Groups["name"].Value, p => Plain(p.Groups["type"].Value)));
    }

    // aliases and unions of texts by what they stand for
    private static string Plain(string type) => type switch
    {
        "Known" => "number | null",
        "Known[]" => "(number | null)[]",
        "Pair[]" => "[string, string][]",
        _ when type.StartsWith('"') => "string",
        _ => type,
    };

    [GeneratedRegex(@"export interface (?<name>\w+) \{(?<members>.*?)^\}", RegexOptions.Singleline | RegexOptions.Multiline)]
    private static partial Regex Interface();

    [GeneratedRegex(@"^  (?<name>\w+): (?<type>[^;]+);$", RegexOptions.Multiline)]
    private static partial Regex Member();
}
