/* SPDX-License-Identifier: Apache-2.0
 * catalyst.telegram: one call of the Telegram Bot API for each item. The Bot API knows no
 * idempotency keys and gives no receipts, so what was sent and not answered is never sent again:
 * such an item leaves on a port of its own.
 *
 * Thread: the worker's. Nothing blocks.
 */
#include "telegram_int.h"
#include "poll.h"

/* --- parameters ------------------------------------------------------------------------------- */

static const wf_pair operations[] = {
    { "sendMessage", "Send a text" },
    { "sendPhoto", "Send a photo" },
    { "sendDocument", "Send a file" },
    { "editMessageText", "Replace the text of a message" },
    { "answerCallbackQuery", "Answer the press of an inline button" },
    { NULL, NULL },
};
static const wf_pair resources[] = { { "message", "Messages" }, { NULL, NULL } };
static const wf_pair parse_modes[] = { { "none", "As it is" },
                                       { "Markdown", "The older Markdown" },
                                       { "MarkdownV2", "Markdown" },
                                       { "HTML", "HTML" },
                                       { NULL, NULL } };

#define SENDS "operation=sendMessage|sendPhoto|sendDocument"
#define FILES "operation=sendPhoto|sendDocument"
#define CHATS SENDS "|editMessageText"

static const wf_param params[] = {
    { WF_P_CRED(struct config, credential, "telegramApi"), .flags = WF_REQUIRED,
      .help = "The bot" },
    { WF_NAMED("resource"), WF_F_CHOICE(struct config, resource, resources), .def = "message",
      .help = "As other editors write it; nothing hangs on it" },
    { WF_P_CHOICE(struct config, operation, operations), .def = "sendMessage",
      .help = "What to do" },
    { WF_NAMED("chatId"), WF_F_STR(struct config, chat_id), .flags = WF_EXPR, .show_if = CHATS,
      .help = "The chat: its number, or @name of a channel or group" },
    { WF_P_STR(struct config, text), .flags = WF_REQUIRED | WF_EXPR | WF_MULTILINE,
      .show_if = "operation=sendMessage|editMessageText",
      .help = "The text, 1 to 4,096 characters" },
    { WF_P_STR(struct config, text), .flags = WF_EXPR, .show_if = "operation=answerCallbackQuery",
      .help = "What the person is shown, up to 200 characters; empty: nothing" },
    { WF_NAMED("binaryData"), WF_F_BOOL(struct config, is_binary), .show_if = FILES,
      .help = "Upload a binary part of the item" },
    { WF_P_STR(struct config, file), .flags = WF_REQUIRED | WF_EXPR,
      .show_if = FILES ",binaryData=false",
      .help = "The file: a URL that Telegram fetches, or the file_id of one it has" },
    { WF_NAMED("binaryPropertyName"), WF_F_STR(struct config, part), .flags = WF_EXPR,
      .def = "data", .show_if = FILES ",binaryData=true", .help = "Name of the binary part" },
    { WF_P_STR(struct config, caption), .flags = WF_EXPR | WF_MULTILINE, .show_if = FILES,
      .help = "Text below the file, up to 1,024 characters" },
    { WF_NAMED("messageId"), WF_F_INT(struct config, message_id), .flags = WF_EXPR,
      .show_if = "operation=editMessageText", .help = "The message to edit" },
    { WF_NAMED("inlineMessageId"), WF_F_STR(struct config, inline_id), .flags = WF_EXPR,
      .show_if = "operation=editMessageText",
      .help = "The message to edit when it was sent inline, instead of chatId and messageId" },
    { WF_NAMED("callbackQueryId"), WF_F_STR(struct config, callback_id),
      .flags = WF_REQUIRED | WF_EXPR, .show_if = "operation=answerCallbackQuery",
      .help = "The press to answer: callback_query.id" },
    { WF_NAMED("showAlert"), WF_F_BOOL(struct config, alert), .flags = WF_EXPR,
      .show_if = "operation=answerCallbackQuery", .help = "Show the text until it is dismissed" },
    { WF_NAMED("parseMode"), WF_F_CHOICE(struct config, parse_mode, parse_modes), .flags = WF_EXPR,
      .def = "none", .show_if = CHATS, .help = "How text and caption are formatted" },
    { WF_NAMED("replyMarkup"), WF_F_VALUE(struct config, markup), .flags = WF_EXPR,
      .show_if = CHATS,
      .help = "Buttons or a keyboard: the Bot API's reply_markup as an object, or JSON text; "
              "\"none\": none; or which of the next ones there is, by name" },
    { WF_NAMED("inlineKeyboard"), WF_F_VALUE(struct config, inline_rows), .flags = WF_EXPR,
      .show_if = CHATS,
      .help = "With replyMarkup \"inlineKeyboard\": {\"rows\": [{\"row\": {\"buttons\": "
              "[{\"text\": .., \"additionalFields\": {\"callback_data\": ..}}]}}]}" },
    { WF_NAMED("replyKeyboard"), WF_F_VALUE(struct config, reply_rows), .flags = WF_EXPR,
      .show_if = CHATS, .help = "With replyMarkup \"replyKeyboard\": rows as in inlineKeyboard" },
    { WF_NAMED("replyKeyboardOptions"), WF_F_VALUE(struct config, reply_options), .flags = WF_EXPR,
      .show_if = CHATS,
      .help = "With replyKeyboard: resize_keyboard, one_time_keyboard, selective" },
    { WF_NAMED("forceReply"), WF_F_VALUE(struct config, force_reply), .flags = WF_EXPR,
      .show_if = CHATS, .help = "With replyMarkup \"forceReply\": its members, as selective" },
    { WF_NAMED("replyKeyboardRemove"), WF_F_VALUE(struct config, remove_keyboard), .flags = WF_EXPR,
      .show_if = CHATS,
      .help = "With replyMarkup \"replyKeyboardRemove\": its members, as selective" },
    { WF_NAMED("disableNotification"), WF_F_BOOL(struct config, silent), .flags = WF_EXPR,
      .show_if = SENDS, .help = "Arrive without a sound" },
    { WF_NAMED("protectContent"), WF_F_BOOL(struct config, protect), .flags = WF_EXPR,
      .show_if = SENDS, .help = "No forwarding, no saving" },
    { WF_NAMED("disableLinkPreview"), WF_F_BOOL(struct config, no_preview), .flags = WF_EXPR,
      .show_if = "operation=sendMessage|editMessageText", .help = "No preview of links" },
    { WF_NAMED("messageThreadId"), WF_F_INT(struct config, thread_id), .flags = WF_EXPR,
      .show_if = SENDS, .help = "The topic of a forum; 0: none" },
    { WF_NAMED("replyToMessageId"), WF_F_INT(struct config, reply_to), .flags = WF_EXPR,
      .show_if = SENDS, .help = "The message this one replies to; 0: none" },
    { WF_NAMED("additionalFields.parse_mode"),
      WF_F_CHOICE(struct config, parse_mode_n8n, parse_modes), .flags = WF_EXPR, .def = "none",
      .show_if = CHATS, .help = "As parseMode" },
    { WF_NAMED("additionalFields.disable_notification"), WF_F_BOOL(struct config, silent_n8n),
      .flags = WF_EXPR, .show_if = SENDS, .help = "As disableNotification" },
    { WF_NAMED("additionalFields.caption"), WF_F_STR(struct config, caption_n8n), .flags = WF_EXPR,
      .show_if = FILES, .help = "As caption" },
    { WF_NAMED("options.timeout"), WF_F_MS(struct config, timeout_ms), .flags = WF_EXPR,
      .help = "How long a call may take; 0: 30 seconds" },
    { WF_NAMED("options.rate"), WF_F_INT(struct config, bot_rate), .def = "30", .min = 0,
      .max = 100000, .help = "Calls a second of the bot on one worker; 0: no limit" },
    { WF_NAMED("options.chatInterval"), WF_F_MS(struct config, chat_interval_ms), .def = "1s",
      .min = 0, .max = 3600000,
      .help = "Between two calls for one chat, after a burst of 5; groups get 20 a minute; 0: no "
              "limit for either" },
    { WF_NAMED("options.maxWait"), WF_F_MS(struct config, max_wait_ms), .def = "1m", .min = 0,
      .max = 3600000,
      .help =
          "How long an item may wait for its turn; one that would wait longer fails with `paced`, "
          "which is retried later" },
    WF_END,
};

static const wf_param cred_fields[] = {
    { .name = "accessToken",
      .type = WF_STRING,
      .flags = WF_REQUIRED | WF_SECRET,
      .help = "The bot's token, as @BotFather gave it" },
    { .name = "baseUrl",
      .type = WF_STRING,
      .def = "https://api.telegram.org",
      .help = "Where the Bot API is; another for a server of one's own" },
    WF_END,
};
static const wf_cred_type creds[] = { { "telegramApi", "A Telegram bot", cred_fields } };

static const wf_pair codes[] = {
    { "transport", "The Bot API was not reached; nothing was sent" },
    { "server", "The Bot API answered 5xx" },
    { "throttled", "The Bot API answered 429" },
    { "paced", "Its turn would come later than options.maxWait" },
    { NULL, NULL },
};
static const wf_metric metrics[] = {
    { WF_COUNTER, "send_total{channel=\"telegram\",outcome=\"accepted\"}", NULL,
      "What was sent, by outcome: Calls that the Bot API accepted" },
    { WF_COUNTER, "send_total{channel=\"telegram\",outcome=\"rejected\"}", NULL,
      "What was sent, by outcome: Items that were refused" },
    { WF_COUNTER, "send_total{channel=\"telegram\",outcome=\"unknown\"}", NULL,
      "What was sent, by outcome: Calls that were sent and not answered" },
    { WF_COUNTER, "send_throttled_total{channel=\"telegram\"}", NULL,
      "Told to come later: Calls that were told to come back later" },
    { WF_COUNTER, "send_paced_total{channel=\"telegram\"}", NULL,
      "Items that waited for their turn" },
    WF_EACH_CLASS(WF_REJECTED_ROW, "telegram") /* */
    { (wf_metric_kind)0, NULL, NULL, NULL },
};

/* --- sending ---------------------------------------------------------------------------------- */

static void send_to(const wf_host *h, wf_item *it, wf_str chat_id, wf_reply_fn *on_reply)
{
    struct call call = { .h = h, .it = it, .c = h->config(it), .chat_id = chat_id };
    if (call_build(&call) != 0)
        reject(h, it, call.class, call.code, (wf_str){ call.error, strlen(call.error) });
    else
        h->request(it, &call.request, on_reply);
}

static void on_moved_reply(const wf_host *h, wf_item *it, const wf_reply *r)
{
    reply_take(h, it, r, 0);
}

static void on_reply(const wf_host *h, wf_item *it, const wf_reply *r)
{
    wf_str moved = reply_take(h, it, r, 1);
    if (moved.ptr)
        send_to(h, it, moved, on_moved_reply);
}

void telegram_send(const wf_host *h, wf_item *it)
{
    if (wf_maybe_sent(h, it))
        leave_begun(h, it);
    else
        send_to(h, it, ((const struct config *)h->config(it))->chat_id, on_reply);
}

/* --- the plugin ------------------------------------------------------------------------------- */

static const char docs[] =
    "Every item leaves on one of three ports, with what became of it under `send`:\n"
    "\n"
    "| port | `send` | meaning |\n"
    "|---|---|---|\n"
    "| `accepted` | `outcome`, `channel`, `provider_id`, `chat_id` | The Bot API took it; "
    "`provider_id` is the message_id |\n"
    "| `rejected` | `outcome`, `channel`, `chat_id`, `class`, `code`, `text` | It will never be "
    "taken like this |\n"
    "| `unknown` | `outcome`, `channel`, `chat_id`, `text` | It was sent, and the answer was lost "
    "|\n"
    "\n"
    "`class` is `permanent-recipient` (no such chat, bot blocked or removed), `permanent-content` "
    "(text,\nmarkup or file are refused) or `permanent-account` (the token is wrong: pause the "
    "bot). `code` is the\nBot API's error_code, or `request` when the item was refused here.\n"
    "\n"
    "**Again or not.** 429 comes back after `retry_after` and slows the chat; 5xx and a Bot API "
    "that was\nnot reached are tried again with back-off. The Bot API has no idempotency keys: a "
    "call that was sent\nand not answered is not repeated but leaves on `unknown`. A group that "
    "became a supergroup is sent to\nat its new number, once; `chat_id` tells the number. "
    "After a crash, what may have been sent\nbefore it leaves on `unknown` too: exactly that with "
    "durability each_step, and whatever waited at the trigger\nwith the others.\n"
    "\n"
    "**Limits** are checked before anything is sent: a text of 4,096, a caption of 1,024, the "
    "answer to a\nbutton of 200 characters, and `callback_data` of 1 to 64 bytes. The Bot API "
    "counts *characters after\nentities parsing* (sendMessage, text), so a character is a Unicode "
    "code point here, and what has a\n`parseMode` is counted by the Bot API alone, which refuses "
    "it as `permanent-content`.\n"
    "\n"
    "**Pace.** The Bot API takes about one message a second for a chat, 20 a minute for a group "
    "and "
    "30 a second\nfor a bot. What is faster waits here for its turn, in order for each chat; the "
    "limits are those of one\nworker. A 429 shuts the chat for as long as it says and halves its "
    "rate, which then recovers.\n"
    "\n"
    "Workflows that other editors made keep `additionalFields.parse_mode`, "
    "`.disable_notification` and\n`.caption`, and their keyboards: `replyMarkup` is then "
    "`inlineKeyboard`, `replyKeyboard`, `forceReply`\nor `replyKeyboardRemove`, and the rows of "
    "buttons stand beside it. A text without parse mode is sent as it is.\n"
    "\n"
    "```json\n"
    "{\"type\": \"catalyst.telegram\", \"parameters\": {\"chatId\": \"={{ $json.chat }}\",\n"
    " \"text\": \"=Order {{ $json.order }} is on its way\", \"replyMarkup\": "
    "{\"inline_keyboard\":\n"
    " [[{\"text\": \"Track\", \"callback_data\": \"track\"}]]}},\n"
    " \"credentials\": {\"telegramApi\": {\"name\": \"bot\"}}}\n"
    "```\n";

static const char *const ports[] = { "accepted", "rejected", "unknown", NULL };
static const char *const trigger_ports[] = { "main", NULL };
static const char *const trigger_aliases[] = { "n8n-nodes-base.telegramTrigger", NULL };
static const char *const aliases[] = { "n8n-nodes-base.telegram", NULL };
static const wf_node nodes[] = {
    { .type = "catalyst.telegram",
      .help = "Send messages and files by a Telegram bot",
      .ports = ports,
      .params = params,
      .config_size = sizeof(struct config),
      .process = pace_items,
      .open = pace_open,
      .close = pace_close,
      .metrics = metrics,
      .codes = codes,
      .flags = WF_NODE_EFFECT | WF_NODE_ONCE | WF_NODE_BEGINS,
      .group = "channel",
      .docs = docs,
      .aliases = aliases },
    { .type = "catalyst.telegramTrigger",
      .help = "Start with what people send to a Telegram bot",
      .ports = trigger_ports,
      .params = poll_params,
      .config_size = sizeof(struct poll_config),
      .process = poll_pass,
      .open = poll_open,
      .close = poll_close,
      .metrics = poll_metrics,
      .flags = WF_NODE_TRIGGER,
      .check = poll_check,
      .group = "trigger",
      .docs = poll_docs,
      .aliases = trigger_aliases,
      .trigger = &poll_trigger },
};

WF_PLUGIN_CREDS("telegram", "1.0.0", nodes, creds);
