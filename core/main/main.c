/* SPDX-License-Identifier: Apache-2.0
 * catalyst: finds the command, reads the settings, runs it.
 */
#include "main/main.h"
#include "base/log.h"
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct command *command_find(const char *name)
{
    for (const struct command *c = commands; c->name; c++)
        if (!strcmp(c->name, name))
            return c;
    return NULL;
}

static int print_overview(FILE *to)
{
    fprintf(to,
            "catalyst: a workflow engine\n\nusage: catalyst COMMAND [ARGUMENTS] [SETTINGS]\n\n");
    for (const struct command *c = commands; c->name; c++)
        fprintf(to, "  %-34s %s\n", c->usage, c->help);
    fprintf(to,
            "\n'catalyst COMMAND --help' tells more; 'catalyst help settings' lists the settings.\n"
            "\nExit codes: 0 done; 1 failed (an execution failed, check found mistakes); 2 wrong "
            "usage or settings;\n"
            "3 store, broker or port cannot be had; 4 internal error.\n");
    return to == stdout ? EXIT_OK : EXIT_USAGE;
}

/* core/main/README.md: commands, exit codes, settings. */
static void add_docs(struct strbuf *b)
{
    strbuf_adds(b, "# Commands and settings of `catalyst`\n\n"
                   "Made by `catalyst help settings --docs` (target `docs`) from the tables in "
                   "`commands.c` and\n"
                   "`config.c`; a test compares.\n\n"
                   "| command | what it does |\n|---|---|\n");
    for (const struct command *c = commands; c->name; c++) {
        strbuf_adds(b, "| `");
        for (const char *p = c->usage; *p; p++)
            *p == '|' ? strbuf_adds(b, "\\|") : strbuf_addc(b, *p);
        strbuf_addf(b, "` | %s |\n", c->help);
    }
    strbuf_adds(b, "\nExit codes: 0 done; 1 failed (an execution failed, check found mistakes); 2 "
                   "wrong usage or\n"
                   "settings; 3 store, broker or port cannot be had; 4 internal error.\n");
    for (const struct command *c = commands; c->name; c++)
        if (c->docs)
            strbuf_addf(b, "\n## catalyst %s\n\n```\n%s```\n", c->name, c->docs);
    strbuf_adds(
        b,
        "\n## Settings\n\n"
        "A flag wins over the environment, which wins over the file: `--config FILE` or "
        "`CATALYST_CONFIG`,\n"
        "else `./catalyst.json` or `/etc/catalyst/catalyst.json`, one JSON object. Lists are "
        "arrays in the\n"
        "file, repeated flags, or texts with commas in the environment. A credential may stand in\n"
        "`CATALYST_CREDENTIAL_<NAME>` as `{\"type\": .., \"data\": {..}}`.\n\n");
    config_docs(b);
}

static int print_settings(bool docs)
{
    struct strbuf b;
    strbuf_init(&b, 1u << 20);
    if (docs)
        add_docs(&b);
    else
        config_help(&b);
    fputs(b.ptr, stdout);
    strbuf_fini(&b);
    return EXIT_OK;
}

static int print_help(const struct command *c)
{
    printf("usage: catalyst %s\n\n%s.\n", c->usage, c->help);
    if (c->docs)
        printf("\n%s", c->docs);
    printf("\nSettings are given as flags, as CATALYST_* in the environment or in a file: "
           "'catalyst help settings'.\n");
    return EXIT_OK;
}

static int unknown_command(const char *name)
{
    if (name[0] == '-')
        return say_error(EXIT_USAGE,
                         "the command comes first, then its flags: catalyst COMMAND %s ..", name);
    const char *names[64];
    size_t n = 0;
    for (const struct command *c = commands; c->name; c++)
        names[n++] = c->name;
    names[n++] = "help";
    const char *near = str_nearest(name, names, n);
    if (near)
        return say_error(EXIT_USAGE, "unknown command '%s'; did you mean '%s'?", name, near);
    return say_error(EXIT_USAGE, "unknown command '%s'; 'catalyst help' lists them", name);
}

static int help(const char **args, int n_args)
{
    if (!n_args)
        return print_overview(stdout);
    const struct command *c = command_find(args[0]);
    bool settings = !strcmp(args[0], "settings"), docs = false;
    if (!c && !settings)
        return unknown_command(args[0]);
    args++;
    n_args--;
    if (settings)
        docs = arg_flag(args, &n_args, "--docs");
    if (args_done(args, n_args, settings ? "docs" : NULL) != EXIT_OK)
        return EXIT_USAGE;
    return c ? print_help(c) : print_settings(docs);
}

static int setup_log(const struct config *c)
{
    enum log_level level = log_level_parse(c->log_level);
    enum log_format format = !strcmp(c->log_format, "auto")   ? LOG_AUTO
                             : !strcmp(c->log_format, "text") ? LOG_TEXT
                             : !strcmp(c->log_format, "json") ? LOG_JSON
                                                              : 0;
    if (!level)
        return say_error(EXIT_USAGE, "'log-level' must be debug, info, warn or error, got \"%s\"",
                         c->log_level);
    if (!format)
        return say_error(EXIT_USAGE, "'log-format' must be auto, text or json, got \"%s\"",
                         c->log_format);
    log_setup(level, format);
    return EXIT_OK;
}

/* What was printed counts when it arrived: a full disk is no success. */
static int finish_output(int code)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return code;
    say_error(EXIT_FAILED, "standard output cannot be written: %s", strerror(errno));
    return code == EXIT_OK ? EXIT_FAILED : code;
}

int main(int argc, char **argv)
{
    signal(SIGPIPE, SIG_IGN); /* libraries of plugins write to sockets whose other side has gone */
    const char **args = xcalloc((size_t)argc + 1, sizeof *args);
    int n_args = argc - 2;
    for (int i = 0; i < n_args; i++)
        args[i] = argv[i + 2];
    const char *name = argc > 1 ? argv[1] : "";
    int code = -1;
    if (argc < 2)
        code = print_overview(stderr);
    else if (!strcmp(name, "help") || !strcmp(name, "--help") || !strcmp(name, "-h"))
        code = help(args, n_args);
    else if (!strcmp(name, "--version"))
        name = "version";
    const struct command *command = code < 0 ? command_find(name) : NULL;
    if (code < 0 && !command)
        code = unknown_command(name);
    if (code < 0 && (arg_flag(args, &n_args, "--help") || arg_flag(args, &n_args, "-h")))
        code = print_help(command);
    if (code < 0) {
        struct config config;
        struct err err;
        if (config_load(&config, args, &n_args, &err) != 0)
            code = say_error(EXIT_USAGE, "%s", err.text);
        else if ((code = setup_log(&config)) == EXIT_OK)
            code = command->run(&config, args, n_args);
        config_free(&config);
    }
    free(args);
    return finish_output(code);
}
