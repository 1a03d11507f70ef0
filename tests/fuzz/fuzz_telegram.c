/* SPDX-License-Identifier: Apache-2.0
 * Fuzzes the little JSON that the Telegram trigger reads of getUpdates' answers: members, elements
 * and numbers stay within the text, and a walk over a list ends.
 */
#include "../../plugins/telegram/scan.c"
#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static void must_lie_within(wf_str part, wf_str whole)
{
    if (part.ptr && (part.ptr < whole.ptr || part.ptr + part.len > whole.ptr + whole.len))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    /* Memory of its own and exact size, so that the sanitizers see a byte too far. */
    char *copy = malloc(len ? len : 1);
    if (!copy)
        return 0;
    if (len)
        memcpy(copy, bytes, len);
    wf_str text = { copy, len }, update;
    wf_str list = scan_member(text, "result");
    must_lie_within(list, text);
    must_lie_within(scan_member(text, "description"), text);
    size_t at = 0, last = 0;
    while (list.ptr && (update = scan_element(list, &at)).ptr) {
        int64_t id;
        must_lie_within(update, list);
        if (at <= last || at > list.len)
            abort();
        last = at;
        scan_int(scan_member(update, "update_id"), &id);
    }
    free(copy);
    return 0;
}
