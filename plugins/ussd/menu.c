/* SPDX-License-Identifier: Apache-2.0
 * catalyst.ussdMenu: from the screen a session stands at, and what was entered there, to the next
 * screen. The session's state comes from outside (Redis) and goes back there; nothing is kept here,
 * so every hop may meet another worker.
 *
 * Thread: the worker's. Nothing blocks.
 */
#include "ussd_int.h"

const wf_param menu_params[] = {
    { WF_P_VALUE(struct menu_config, menu), .flags = WF_REQUIRED,
      .help = "The screens: {start, screens: {name: {text, options | input and next | end}}}" },
    { WF_P_VALUE(struct menu_config, hop), .flags = WF_EXPR, .def = "={{ $json.ussd }}",
      .help = "What catalyst.ussdHop gave" },
    { WF_NAMED("sessionMember"), WF_F_STR(struct menu_config, session_member), .def = "session",
      .help = "Member of the item with what the session's script in Redis gave" },
    { WF_P_STR(struct menu_config, invalid), .flags = WF_EXPR, .def = "Not a choice here.",
      .help = "What stands above the screen when the input fits nothing" },
    { WF_P_STR(struct menu_config, expired), .flags = WF_EXPR,
      .def = "Your session has ended. Please dial again.",
      .help = "What is said when the session is not known any more" },
    WF_END,
};
const char *const menu_ports[] = { "reply", "action", "repeated", NULL };

const char menu_docs[] =
    "```json\n"
    "{\"start\": \"main\", \"screens\": {\n"
    "  \"main\":   {\"text\": \"Catalyst\\n1 Balance\\n2 Top up\", \"options\": {\"1\": "
    "{\"action\": "
    "\"balance\"}, \"2\": \"amount\"}},\n"
    "  \"amount\": {\"text\": \"Amount?\", \"input\": \"amount\", \"digits\": true, \"max\": 6, "
    "\"next\": \"sure\"},\n"
    "  \"sure\":   {\"text\": \"Top up {amount}?\\n1 Yes\\n2 No\", \"options\": {\"1\": "
    "{\"action\": "
    "\"topup\", \"next\": \"done\"}, \"2\": \"bye\"}},\n"
    "  \"done\":   {\"text\": \"Done.\", \"end\": true},\n"
    "  \"bye\":    {\"text\": \"Goodbye\", \"end\": true}}}\n"
    "```\n\n"
    "A screen has `options` (what is entered -> the next screen, or `{action, next}`), or an "
    "`input` "
    "(the name its entry is kept under; `digits` and `max` limit it) with the `next` screen, or "
    "`end`. "
    "`{name}` in a text is an entry of the session, `{msisdn}` the number.\n\n"
    "The node stands behind the session's script in Redis (workflows ussd-menu and "
    "ussd-smpp-menu), whose answer it "
    "finds "
    "in `session`: `{state, data, reply}`, an object or JSON text. As that replaces the item, "
    "`hop` "
    "fetches what catalyst.ussdHop gave, `={{ $('Hop').item.json.ussd }}`, and adds it again.\n\n"
    "| port | when | adds |\n"
    "|---|---|---|\n"
    "| reply | a screen is to be shown | `menu: {screen, text, end, fields, data}` |\n"
    "| action | an option with an `action` was chosen: do it, then say something | the same with "
    "`menu.action`; `text` is that of the screen `next` |\n"
    "| repeated | the gateway sent the same hop again | `menu: {body}`: the answer it had |\n\n"
    "`menu.data` is what the session's script must keep: JSON text.";

const wf_metric menu_metrics[] = {
    { WF_COUNTER, "ussd_sessions_total", NULL, "Sessions that began" },
    { WF_COUNTER, "ussd_finished_total", NULL, "Sessions that came to a screen with end" },
    { WF_COUNTER, "ussd_timeouts_total", NULL,
      "Hops of sessions that were over or forgotten when they came" },
    { WF_COUNTER, "ussd_repeated_total", NULL, "Hops that a gateway sent again" },
    { WF_COUNTER, "ussd_invalid_total", NULL, "Inputs that fit nothing" },
    { (wf_metric_kind)0, NULL, NULL, NULL },
};

struct walk {
    const wf_host *h;
    wf_item *it;
    const struct menu_config *c;
    const wf_value *screens, *fields, *screen;
    wf_str name, input, msisdn;
    wf_str action;
    bool is_invalid;
};

static const wf_value *screen_named(const struct walk *w, wf_str name)
{
    return w->h->v->get(w->screens, name.ptr, name.len);
}

static wf_str bytes_of(const wf_host *h, const wf_value *v)
{
    wf_str s = { "", 0 };
    if (h->v->bytes(v, &s.ptr, &s.len) != 0)
        s = (wf_str){ "", 0 };
    return s;
}

static wf_str member_bytes(const struct walk *w, const wf_value *object, const char *name)
{
    return bytes_of(w->h, w->h->v->get(object, name, strlen(name)));
}

/* --- check ------------------------------------------------------------------------------------ */

static int bad(char *why, size_t why_size, wf_str screen, const char *what, wf_str target)
{
    snprintf(why, why_size, "screen '%.*s' %s '%.*s', which is no screen", (int)screen.len,
             screen.ptr, what, (int)target.len, target.ptr);
    return -1;
}

static int check_screen(const wf_host *h, const wf_value *screens, wf_str name,
                        const wf_value *screen, char *why, size_t why_size)
{
    const wf_value *options = h->v->get(screen, "options", 7);
    wf_str next = bytes_of(h, h->v->get(screen, "next", 4));
    bool ends = h->v->boolean(h->v->get(screen, "end", 3));
    if (h->v->type(h->v->get(screen, "text", 4)) != WF_JSON_STRING) {
        snprintf(why, why_size, "screen '%.*s' has no text", (int)name.len, name.ptr);
        return -1;
    }
    if (next.len && !h->v->get(screens, next.ptr, next.len))
        return bad(why, why_size, name, "goes on to", next);
    if (!ends && !options && !(h->v->get(screen, "input", 5) && next.len)) {
        snprintf(why, why_size,
                 "screen '%.*s' leads nowhere: give it options, input with next, or end",
                 (int)name.len, name.ptr);
        return -1;
    }
    for (size_t i = 0; i < h->v->count(options); i++) {
        const wf_value *to = h->v->at(options, i);
        wf_str target =
            bytes_of(h, h->v->type(to) == WF_JSON_OBJECT ? h->v->get(to, "next", 4) : to);
        if (target.len && !h->v->get(screens, target.ptr, target.len))
            return bad(why, why_size, name, "has an option to", target);
    }
    return 0;
}

int menu_check(const wf_host *h, const void *config, char *why, size_t why_size)
{
    const struct menu_config *c = config;
    const wf_value *screens = h->v->get(c->menu, "screens", 7);
    wf_str start = bytes_of(h, h->v->get(c->menu, "start", 5));
    if (h->v->type(screens) != WF_JSON_OBJECT || !h->v->get(screens, start.ptr, start.len)) {
        snprintf(why, why_size, "menu is {start, screens: {name: {..}}}, and start names a screen");
        return -1;
    }
    for (size_t i = 0; i < h->v->count(screens); i++)
        if (check_screen(h, screens, h->v->key(screens, i), h->v->at(screens, i), why, why_size) !=
            0)
            return -1;
    return 0;
}

/* --- text ------------------------------------------------------------------------------------- */

enum { TEXT_MAX = 2000 };

/* {name} -> the session's entry; what is unknown stays as it is. */
static wf_str fill(const struct walk *w, wf_str text)
{
    char *to = w->h->alloc(w->it, TEXT_MAX + 1);
    size_t n = 0;
    for (size_t i = 0; i < text.len && n < TEXT_MAX; i++) {
        const char *close = text.ptr[i] == '{' ? memchr(text.ptr + i, '}', text.len - i) : NULL;
        wf_str name = { text.ptr + i + 1, close ? (size_t)(close - text.ptr) - i - 1 : 0 };
        wf_str value = { "", 0 };
        const wf_value *entry = close ? w->h->v->get(w->fields, name.ptr, name.len) : NULL;
        if (entry)
            value = w->h->v->text(w->it, entry);
        else if (close && str_is(name, "msisdn"))
            value = w->msisdn;
        if (!value.len) {
            to[n++] = text.ptr[i];
            continue;
        }
        size_t len = value.len < TEXT_MAX - n ? value.len : TEXT_MAX - n;
        memcpy(to + n, value.ptr, len);
        n += len;
        i += name.len + 1;
    }
    return (wf_str){ to, n };
}

/* --- a step ----------------------------------------------------------------------------------- */

static void go(struct walk *w, wf_str name)
{
    const wf_value *screen = name.len ? screen_named(w, name) : NULL;
    if (!screen)
        return;
    w->name = name;
    w->screen = screen;
}

static bool input_fits(const struct walk *w)
{
    int64_t max;
    if (!w->input.len)
        return false;
    if (w->h->v->int64(w->h->v->get(w->screen, "max", 3), &max) == 0 && (int64_t)w->input.len > max)
        return false;
    if (!w->h->v->boolean(w->h->v->get(w->screen, "digits", 6)))
        return true;
    for (size_t i = 0; i < w->input.len; i++)
        if (w->input.ptr[i] < '0' || w->input.ptr[i] > '9')
            return false;
    return true;
}

/* What was entered at the screen the session stands at. */
static void take_input(struct walk *w)
{
    const wf_value *options = w->h->v->get(w->screen, "options", 7);
    const wf_value *to = w->h->v->get(options, w->input.ptr, w->input.len);
    wf_str entry = member_bytes(w, w->screen, "input");
    if (to) {
        bool acts = w->h->v->type(to) == WF_JSON_OBJECT;
        w->action = acts ? member_bytes(w, to, "action") : (wf_str){ "", 0 };
        go(w, acts ? member_bytes(w, to, "next") : bytes_of(w->h, to));
    } else if (entry.len && input_fits(w)) {
        w->fields = w->h->v->set_key(w->it, w->fields, entry,
                                     w->h->v->of_str(w->it, w->input.ptr, w->input.len));
        go(w, member_bytes(w, w->screen, "next"));
    } else {
        w->is_invalid = true;
    }
}

static const wf_value *menu_value(const struct walk *w)
{
    const wf_host *h = w->h;
    wf_str text = fill(w, member_bytes(w, w->screen, "text"));
    if (w->is_invalid)
        text = h->fmt(w->it, "%s\n%.*s", w->c->invalid.ptr, (int)text.len, text.ptr);
    const wf_value *data = h->build(w->it, "{s:S,s:v}", "screen", w->name, "fields", w->fields);
    const wf_value *menu = h->build(w->it, "{s:S,s:S,s:b,s:v,s:S}", "screen", w->name, "text", text,
                                    "end", h->v->boolean(h->v->get(w->screen, "end", 3)), "fields",
                                    w->fields, "data", h->v->json(w->it, data));
    return w->action.len
               ? h->v->set(w->it, menu, "action", h->v->of_str(w->it, w->action.ptr, w->action.len))
               : menu;
}

static void leave(const wf_host *h, wf_item *it, unsigned port, const wf_value *menu)
{
    const struct menu_config *c = h->config(it);
    const wf_value *out = h->v->set(it, h->value(it), "menu", menu);
    h->emit(it, port, c->hop ? h->v->set(it, out, "ussd", c->hop) : out);
}

static const wf_value *parsed(const wf_host *h, wf_item *it, const wf_value *v)
{
    const char *why;
    if (h->v->type(v) != WF_JSON_STRING)
        return v;
    return h->v->parse(it, h->v->text(it, v), &why);
}

static void count_step(const struct walk *w)
{
    const wf_host *h = w->h;
    if (w->is_invalid)
        h->count(h->inst(w->it), METRIC_INVALID, 1);
    else if (h->v->boolean(h->v->get(w->screen, "end", 3)))
        h->count(h->inst(w->it), METRIC_FINISHED, 1);
}

static void walk_one(const wf_host *h, wf_item *it)
{
    const struct menu_config *c = h->config(it);
    const wf_value *session =
        parsed(h, it, h->v->get(h->value(it), c->session_member.ptr, c->session_member.len));
    wf_str state = member_text(h, it, session, "state");
    if (str_is(state, "repeated")) {
        h->count(h->inst(it), METRIC_REPEATED, 1);
        leave(h, it, MENU_REPEATED,
              h->build(it, "{s:S}", "body", member_text(h, it, session, "reply")));
        return;
    }
    if (str_is(state, "lost") || str_is(state, "late")) {
        h->count(h->inst(it), METRIC_TIMEOUTS, 1);
        leave(h, it, MENU_REPLY,
              h->build(it, "{s:S,s:b,s:s}", "text", c->expired, "end", 1, "data", ""));
        return;
    }
    const wf_value *data = parsed(h, it, h->v->get(session, "data", 4));
    struct walk w = { .h = h,
                      .it = it,
                      .c = c,
                      .screens = h->v->get(c->menu, "screens", 7),
                      .fields = h->v->get(data, "fields", 6),
                      .input = member_text(h, it, c->hop, "input"),
                      .msisdn = member_text(h, it, c->hop, "msisdn"),
                      .action = { "", 0 } };
    if (!w.fields)
        w.fields = h->build(it, "{}");
    wf_str at = bytes_of(h, h->v->get(data, "screen", 6));
    go(&w, bytes_of(h, h->v->get(c->menu, "start", 5)));
    if (at.len && screen_named(&w, at)) {
        go(&w, at);
        take_input(&w);
    } else {
        h->count(h->inst(it), METRIC_SESSIONS, 1);
    }
    count_step(&w);
    leave(h, it, w.action.len ? MENU_ACTION : MENU_REPLY, menu_value(&w));
}

void menu_process(const wf_host *h, wf_item *const *items, size_t n)
{
    for (size_t i = 0; i < n; i++)
        walk_one(h, items[i]);
}
