/* SPDX-License-Identifier: Apache-2.0
 * The model that comes with the plugin: the bytes of model.bin, so that no file has to be found at
 * run time. train/README.md says how it was made and what it reaches. The assembler takes the file
 * in, because C11 has no way to.
 */
#include "model.h"

extern const struct model firewall_model_file __attribute__((visibility("hidden")));

__asm__(".pushsection .rodata\n"
        ".balign 64\n"
        ".globl firewall_model_file\n"
        ".hidden firewall_model_file\n"
        "firewall_model_file:\n"
        ".incbin \"" FIREWALL_MODEL "\"\n"
        ".popsection\n");

const struct model *const model_shipped = &firewall_model_file;
