/* SPDX-License-Identifier: Apache-2.0
 * catalyst.postgres: queries with bound parameters, and rows written, read and deleted without SQL.
 * Thread: the worker's.
 */
#include "postgres_int.h"

static const wf_pair operations[] = {
    { "deleteTable", "Delete rows, or all of a table" },
    { "executeQuery", "Run a statement with parameters $1, $2 ..." },
    { "insert", "Insert rows" },
    { "upsert", "Insert rows, or update those that are there" },
    { "select", "Read rows" },
    { "update", "Update rows" },
    { NULL, NULL },
};
static const wf_pair resources[] = { { "database", "A database" }, { NULL, NULL } };
static const wf_pair delete_commands[] = {
    { "truncate", "All rows; the table stays" },
    { "delete", "The rows that match" },
    { "drop", "The table" },
    { NULL, NULL },
};
static const wf_pair mappings[] = {
    { "autoMapInputData", "The item's fields are the columns" },
    { "defineBelow", "columns.value names them" },
    { NULL, NULL },
};
static const wf_pair combines[] = { { "AND", "All must match" },
                                    { "OR", "One must match" },
                                    { NULL, NULL } };
static const wf_pair conditions[] = {
    { "equal", "" }, { "!=", "" }, { "LIKE", "" },    { ">", "" },           { "<", "" },
    { ">=", "" },    { "<=", "" }, { "IS NULL", "" }, { "IS NOT NULL", "" }, { NULL, NULL },
};
static const wf_pair directions[] = { { "ASC", "Upwards" },
                                      { "DESC", "Downwards" },
                                      { NULL, NULL } };

static const wf_param where_rows[] = {
    { WF_P_STR(struct condition, column), .flags = WF_REQUIRED | WF_EXPR, .help = "Column" },
    { WF_P_CHOICE(struct condition, condition, conditions), .def = "equal", .help = "Comparison" },
    { WF_P_VALUE(struct condition, value), .flags = WF_EXPR, .help = "Value" },
    WF_END,
};
static const wf_param sort_rows[] = {
    { WF_P_STR(struct sort, column), .flags = WF_REQUIRED | WF_EXPR, .help = "Column" },
    { WF_P_CHOICE(struct sort, direction, directions), .def = "ASC", .help = "Direction" },
    WF_END,
};

#define WRITES "operation=insert|upsert|update"
#define TABLES "operation=deleteTable|insert|upsert|select|update"

static const wf_param params[] = {
    { WF_P_CRED(struct config, credential, "postgres"), .flags = WF_REQUIRED,
      .help = "Server and login" },
    { WF_P_CHOICE(struct config, resource, resources), .def = "database",
      .help = "There is one kind" },
    { WF_P_CHOICE(struct config, operation, operations), .def = "insert", .help = "What to do" },
    { WF_P_STR(struct config, schema), .flags = WF_EXPR, .def = "public", .show_if = TABLES,
      .help = "Schema; empty: by the search path" },
    { WF_P_STR(struct config, table), .flags = WF_REQUIRED | WF_EXPR, .show_if = TABLES,
      .help = "Table" },
    { WF_P_STR(struct config, query), .flags = WF_REQUIRED | WF_EXPR | WF_MULTILINE,
      .show_if = "operation=executeQuery",
      .help = "The statement; values belong into parameters, never into its text" },
    { WF_NAMED("options.queryReplacement"), WF_F_VALUE(struct config, replacement),
      .flags = WF_EXPR, .show_if = "operation=executeQuery",
      .help = "Values of $1, $2 ...: a list, or text with commas" },
    { WF_NAMED("columns.mappingMode"), WF_F_CHOICE(struct config, mapping, mappings),
      .def = "autoMapInputData", .show_if = WRITES, .help = "Where the columns come from" },
    { WF_NAMED("columns.value"), WF_F_VALUE(struct config, columns), .flags = WF_EXPR,
      .show_if = WRITES, .help = "Columns and their values, as an object" },
    { WF_NAMED("columns.matchingColumns"), WF_F_VALUE(struct config, matching), .show_if = WRITES,
      .help = "Names of the columns that say which row is meant" },
    { WF_NAMED("columns.schema"), WF_F_VALUE(struct config, column_schema), .show_if = WRITES,
      .help = "Kept for n8n's editor; the database knows its types" },
    { WF_NAMED("columns.attemptToConvertTypes"), WF_F_BOOL(struct config, convert),
      .show_if = WRITES, .help = "Kept for n8n's editor; the database converts" },
    { WF_NAMED("columns.convertFieldsToString"), WF_F_BOOL(struct config, convert_text),
      .show_if = WRITES, .help = "Kept for n8n's editor" },
    { WF_NAMED("deleteCommand"), WF_F_CHOICE(struct config, delete_command, delete_commands),
      .def = "truncate", .show_if = "operation=deleteTable", .help = "What is deleted" },
    { WF_NAMED("where.values"), WF_F_LIST(struct config, where, where_rows, struct condition),
      .show_if = "operation=select|deleteTable", .help = "Which rows" },
    { WF_NAMED("combineConditions"), WF_F_CHOICE(struct config, combine, combines), .def = "AND",
      .show_if = "operation=select|deleteTable", .help = "How conditions go together" },
    { WF_NAMED("returnAll"), WF_F_BOOL(struct config, all), .show_if = "operation=select",
      .help = "All rows" },
    { WF_P_INT(struct config, limit), .flags = WF_EXPR, .def = "50", .min = 1, .max = 1000000,
      .show_if = "operation=select,returnAll=false", .help = "The most rows" },
    { WF_NAMED("sort.values"), WF_F_LIST(struct config, sort, sort_rows, struct sort),
      .show_if = "operation=select", .help = "Order of the rows" },
    { WF_NAMED("options.outputColumns"), WF_F_VALUE(struct config, output), .flags = WF_EXPR,
      .show_if = "operation=insert|upsert|select|update", .help = "Columns to give; none: all" },
    { WF_NAMED("options.skipOnConflict"), WF_F_BOOL(struct config, skip_conflict),
      .show_if = "operation=insert", .help = "A row that is there already is left as it is" },
    { WF_NAMED("options.timeout"), WF_F_MS(struct config, timeout_ms), .def = "30s",
      .help = "How long an item waits for its answer" },
    WF_END,
};

static const wf_pair codes[] = {
    WF_CONN_CODES,
    { "busy", "The server cannot do it now: deadlock, serialization, resources, shutdown" },
    { "constraint", "A constraint refused the row (SQLSTATE 23...)" },
    { "data", "A value is not of the column's type (SQLSTATE 22...)" },
    { "statement", "There is no statement to run: columns, names or values are wrong" },
    { "rejected", "The server refused the statement" },
    { NULL, NULL },
};

static int check(const wf_host *h, const void *config, char *why, size_t why_size)
{
    const struct config *c = config;
    if ((c->operation == OP_UPSERT || c->operation == OP_UPDATE) && !h->v->count(c->matching)) {
        snprintf(why, why_size,
                 "columns.matchingColumns must name the columns that say which row is meant");
        return -1;
    }
    return 0;
}

static void process(const wf_host *h, wf_item *const *items, size_t n)
{
    wf_conn_take(h->state(items[0]), items, n);
}

static const char docs[] =
    "One connection per worker and node. Statements of all items that stand here leave in one\n"
    "pipeline; rows that neighbours insert into the same columns become one statement. When that\n"
    "fails it is halved until the bad row stands alone, so one bad row never fails its "
    "neighbours.\n"
    "Each statement is a transaction of its own.\n"
    "\n"
    "While the server is away items wait and are tried again with back-off. A connection that "
    "breaks\n"
    "under an insert or another statement leaves open whether it was run: such an item ends as\n"
    "`unknown` and is not tried again. Use `upsert` where repeating must be harmless. For rows "
    "that\n"
    "must commit with the execution itself, all or nothing, see ledgers in the SDK.\n"
    "\n"
    "Every row that is read, inserted, updated or returned becomes one item; a statement without "
    "rows\n"
    "gives `{\"success\": true, \"rowCount\": n}`. Whole and floating numbers, `numeric` with all "
    "its\n"
    "digits, `bool`, `json` and `jsonb` keep their types, arrays of them are lists, `timestamp` "
    "and\n"
    "`timestamptz` are ISO 8601; all else is text. An object or list that is written goes as JSON: "
    "for an\n"
    "array column write `ARRAY(SELECT jsonb_array_elements_text($1::jsonb))`. The server gives up "
    "a "
    "statement\n"
    "that takes longer than `options.timeout`.\n"
    "\n"
    "```json\n"
    "{\"type\": \"catalyst.postgres\", \"parameters\": {\"operation\": \"executeQuery\",\n"
    " \"query\": \"SELECT * FROM orders WHERE customer = $1 AND total > $2\",\n"
    " \"options\": {\"queryReplacement\": [\"={{ $json.customer }}\", 100]}},\n"
    " \"credentials\": {\"postgres\": {\"name\": \"orders\"}}}\n"
    "```\n";

static const wf_pair ssl_modes[] = {
    { "disable", "No TLS" },
    { "allow", "TLS where the server wants it" },
    { "prefer", "TLS where the server has it" },
    { "require", "TLS always" },
    { "verify-ca", "And its certificate is signed by an authority of caFile" },
    { "verify-full", "And it bears the host's name" },
    { NULL, NULL },
};

static const wf_param cred_fields[] = {
    { .name = "host",
      .type = WF_STRING,
      .def = "localhost",
      .help = "Host, or folder of the socket" },
    { .name = "port", .type = WF_INT, .def = "5432", .help = "Port", .min = 1, .max = 65535 },
    { .name = "database", .type = WF_STRING, .def = "postgres", .help = "Database" },
    { .name = "user", .type = WF_STRING, .def = "postgres", .help = "User" },
    { .name = "password", .type = WF_STRING, .flags = WF_SECRET, .help = "Password" },
    { .name = "ssl",
      .type = WF_CHOICE,
      .choices = ssl_modes,
      .def = "prefer",
      .help = "Whether TLS is used, and what is checked" },
    { .name = "caFile",
      .type = WF_STRING,
      .help = "File with the authorities that sign the server's certificate, PEM" },
    { .name = "certFile", .type = WF_STRING, .help = "File with an own certificate, PEM" },
    { .name = "keyFile",
      .type = WF_STRING,
      .flags = WF_SECRET,
      .help = "File with its key, PEM; only its owner may read it" },
    WF_END,
};
static const wf_cred_type creds[] = { { "postgres", "PostgreSQL server and login", cred_fields } };

static const char *const ports[] = { "main", NULL };
static const char *const aliases[] = { "n8n-nodes-base.postgres", NULL };
static const wf_node nodes[] = {
    { .type = "catalyst.postgres",
      .help = "Read and write rows of PostgreSQL",
      .ports = ports,
      .params = params,
      .config_size = sizeof(struct config),
      .process = process,
      .open = conn_open,
      .close = conn_close,
      .check = check,
      .codes = codes,
      .flags = WF_NODE_EFFECT,
      .group = "channel",
      .docs = docs,
      .aliases = aliases },
};

WF_PLUGIN_CREDS("postgres", "1.0.0", nodes, creds);
