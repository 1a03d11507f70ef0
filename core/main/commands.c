/* SPDX-License-Identifier: Apache-2.0
 * The table of commands.
 */
#include "main/main.h"

const struct command commands[] = {
    { "serve", "serve", "Run the engine: workflows of the store and of --workflows",
      "Examples:\n"
      "  catalyst serve --workflows workflows/hello.json --kafka embedded\n"
      "  catalyst serve --store postgresql://catalyst@db/catalyst --kafka broker:9092\n\n"
      "SIGTERM drains, a second one cuts; SIGHUP reads workflow files again; SIGUSR1 writes the "
      "state to the log.\n",
      cmd_serve },
    { "run", "run WORKFLOW", "Run a workflow once, in memory",
      "  --input FILE|-     items to start with: an object, an array of objects or of {json, "
      "binary?}, or JSON lines\n"
      "  --output items|json|none\n"
      "                     items: the last node's items as JSON lines; json: every node's "
      "outputs\n\n"
      "Nothing is stored; messages for Kafka are shown on stderr, not sent. Exit code 1: the "
      "execution failed.\n"
      "Example:\n"
      "  echo '{\"name\":\"Ada\"}' | catalyst run workflows/hello.json --input -\n",
      cmd_run },
    { "check", "check WORKFLOW..", "Find all mistakes of workflow files",
      "  --plan   print the compiled plan\n\nA folder stands for its *.json, - for standard input. "
      "Exit code 1: there were mistakes.\n",
      cmd_check },
    { "deploy", "deploy WORKFLOW..",
      "Put workflow files into the store; running engines take them within a second",
      "A file's id (or its name, when it has none) says which workflow it is; a changed text makes "
      "a new version.\n"
      "Exit code 1: a file had mistakes or could not be read; the others are deployed.\n"
      "Example:\n"
      "  catalyst deploy workflows/hello.json --store postgresql://catalyst@db/catalyst\n",
      cmd_deploy },
    { "activate", "activate ID", "Let a deployed workflow run",
      "ID is what 'catalyst list' shows. Exit code 1: there is no such workflow.\n", cmd_activate },
    { "deactivate", "deactivate ID", "Stop a deployed workflow; what runs ends",
      "ID is what 'catalyst list' shows. Exit code 1: there is no such workflow.\n",
      cmd_deactivate },
    { "list", "list", "List deployed workflows", NULL, cmd_list },
    { "nodes", "nodes [TYPE]", "List node types, or tell about one",
      "  --schema   JSON Schema: of the whole workflow format, or of one node's parameters\n"
      "  --docs     manual pages in Markdown\n\n"
      "TYPE may be an alias or without \"catalyst.\". Exit code 1: there is no such type.\n"
      "Example:\n"
      "  catalyst nodes httpRequest\n",
      cmd_nodes },
    { "executions", "executions list|show ID|retry ID", "Look at executions; run failed ones again",
      "  list --workflow ID --status success|error|waiting|canceled --limit N\n"
      "  show ID    input, outputs, error and state\n"
      "  retry ID   from the node that failed\n\n"
      "ID is what 'catalyst executions list' shows, such as 1-0-4711. Exit code 1: there is no "
      "such "
      "execution.\n",
      cmd_executions },
    { "credentials", "credentials set|list|delete",
      "Keep credentials, sealed with the key of the settings",
      "  set NAME TYPE FIELD=VALUE ..   or @FILE, or - for a JSON object on standard input\n"
      "  list, delete NAME\n\n"
      "Example:\n"
      "  openssl rand -hex 32 > catalyst.key\n"
      "  catalyst credentials set cache redis host=127.0.0.1 password=secret --credentials-key "
      "catalyst.key\n",
      cmd_credentials },
    { "migrate", "migrate", "Bring the store's schema and the tables of plugins up to date",
      "  --check   only look; exit code 1: it is behind; 3: it is newer than this catalyst\n\n"
      "Plugins are those of the install and of the setting plugins. Every step is told, and runs "
      "once.\n",
      cmd_migrate },
    { "init-platform", "init-platform",
      "Create the topics and tables of the messaging platform, where they are missing",
      "  --dry-run        only say what would be done\n"
      "  --all-channels   topics of all twelve channels; otherwise sms, whatsapp, telegram, ussd\n"
      "  --partitions N   at most N partitions for a topic: for small clusters\n"
      "  --replication N  copies of each; default: 3, or as many as there are brokers\n"
      "  --json           one JSON object instead of lines\n\n"
      "Topics: messaging.CHANNEL.{outbound,released,inbound,status,dlq}, billing.events, "
      "firewall.alerts, workflow.triggers, notifications.*. One that is there stays as it is, and "
      "is told when it "
      "has fewer partitions than planned.\n"
      "Tables: the engine's own, those of all plugins that are installed, and audit_log, "
      "billing_events, system_metrics and metrics_hourly: hypertables where the extension "
      "timescaledb is there, else partitions by time that engines make ahead and drop, with hourly "
      "sums. Run it again at any time.\n"
      "Exit code 1: a topic could not be created; 3: Kafka or the store cannot be reached.\n"
      "Example:\n"
      "  catalyst init-platform --store postgresql://catalyst@db/catalyst --kafka broker:9092 "
      "--dry-run\n",
      cmd_init_platform },
    { "version", "version", "Print the version", NULL, cmd_version },
    { 0 },
};
