/* SPDX-License-Identifier: Apache-2.0
 * Keyboards as other editors write them: replyMarkup names the kind, and the rows of buttons stand
 * in parameters of their own. What comes out is the Bot API's reply_markup.
 *
 *   inlineKeyboard: {rows: [{row: {buttons: [{text, additionalFields: {callback_data, url ..}}]}}]}
 *   replyKeyboard:  the same, with replyKeyboardOptions beside it
 *   forceReply, replyKeyboardRemove: the members of reply_markup themselves
 *
 * Thread: the worker's. Nothing blocks.
 */
#include "telegram_int.h"

static const wf_value *member(const struct call *call, const wf_value *v, const char *name)
{
    return call->h->v->get(v, name, strlen(name));
}

/* `to` with all members of `from`. */
static const wf_value *with_members(const struct call *call, const wf_value *to,
                                    const wf_value *from)
{
    const wf_values *v = call->h->v;
    for (size_t i = 0; v->type(from) == WF_JSON_OBJECT && i < v->count(from); i++)
        to = v->set_key(call->it, to, v->key(from, i), v->at(from, i));
    return to;
}

static const wf_value *button_of(const struct call *call, const wf_value *button)
{
    const wf_value *text = member(call, button, "text");
    const wf_value *made = call->h->build(call->it, "{}");
    if (text)
        made = call->h->v->set_key(call->it, made, (wf_str){ "text", 4 }, text);
    return with_members(call, made, member(call, button, "additionalFields"));
}

static const wf_value *row_of(const struct call *call, const wf_value *row)
{
    const wf_values *v = call->h->v;
    const wf_value *buttons = v->path(row, "row.buttons");
    size_t n = v->type(buttons) == WF_JSON_ARRAY ? v->count(buttons) : 0;
    const wf_value **made = call->h->alloc(call->it, (n + 1) * sizeof(wf_value *));
    for (size_t i = 0; i < n; i++)
        made[i] = button_of(call, v->at(buttons, i));
    return n ? v->array(call->it, made, n) : NULL;
}

/* Rows without buttons are left out. */
static const wf_value *rows_of(const struct call *call, const wf_value *keyboard)
{
    const wf_values *v = call->h->v;
    const wf_value *rows = member(call, keyboard, "rows");
    size_t n = v->type(rows) == WF_JSON_ARRAY ? v->count(rows) : 0, kept = 0;
    const wf_value **made = call->h->alloc(call->it, (n + 1) * sizeof(wf_value *));
    for (size_t i = 0; i < n; i++) {
        made[kept] = row_of(call, v->at(rows, i));
        kept += made[kept] != NULL;
    }
    return v->array(call->it, made, kept);
}

const wf_value *keyboard_build(const struct call *call, const char *kind)
{
    const struct config *c = call->c;
    if (!strcmp(kind, "inlineKeyboard"))
        return call->h->build(call->it, "{s:v}", "inline_keyboard", rows_of(call, c->inline_rows));
    if (!strcmp(kind, "replyKeyboard"))
        return with_members(
            call, call->h->build(call->it, "{s:v}", "keyboard", rows_of(call, c->reply_rows)),
            c->reply_options);
    if (!strcmp(kind, "forceReply"))
        return with_members(call, call->h->build(call->it, "{s:b}", "force_reply", 1),
                            c->force_reply);
    if (!strcmp(kind, "replyKeyboardRemove"))
        return with_members(call, call->h->build(call->it, "{s:b}", "remove_keyboard", 1),
                            c->remove_keyboard);
    return NULL;
}
