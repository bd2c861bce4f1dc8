namespace OnnxAttribution.Store;

/// <summary>What a prepared statement does, numbered as <c>duckdb_statement_type</c> in duckdb.h. Only those that a query may hold.</summary>
internal enum DuckDbStatementType
{
    Select = 1,
    Explain = 4,
    Create = 7,
}
