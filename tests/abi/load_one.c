/* SPDX-License-Identifier: Apache-2.0
 * load_one FILE TYPE: loads a plugin by today's loader and looks for a node type in it.
 */
#include "plugin/plugin.h"
#include <stdio.h>

int main(int argc, char **argv)
{
    struct err err;
    struct plugin_set *set = plugin_set_create();
    if (argc != 3) {
        fprintf(stderr, "usage: load_one FILE TYPE\n");
        return 2;
    }
    if (plugin_set_load(set, argv[1], &err) != 0) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    const struct node_type *type = plugin_find(set, argv[2]);
    printf("%s: %s\n", argv[2], type ? type->node.help : "is not there");
    plugin_set_destroy(set);
    return type == NULL;
}
