// SPDX-License-Identifier: Apache-2.0
// Programs that are not ours, started by name for the peer tests of connectors. Each says on its first
// line where it listens; it ends with its input.
//   telegram         telegram-test-api, an emulator of the Bot API
//   slack TOKEN      emulate's Slack
//   ussd             a menu of ussd-menu-builder behind a gateway's form: workflows/ussd-menu.json again
//   mail             nodemailer's smtp-server and mailparser: a line for each mail
//   answers          lines of JSON in, lines out: what receivers and clients of npm make of them
'use strict';
const http = require('http');
const path = require('path');
const readline = require('readline');
const { pathToFileURL } = require('url');

const modules = process.env.NODE_PATH;
const say = (line) => process.stdout.write(JSON.stringify(line) + '\n');
const module_of = (...parts) => import(pathToFileURL(path.join(modules, ...parts)));
const untilInputEnds = () => process.stdin.on('end', () => process.exit(0)).resume();

function freePort() {
    return new Promise((resolve) => {
        const server = http.createServer().listen(0, '127.0.0.1', () => {
            const { port } = server.address();
            server.close(() => resolve(port));
        });
    });
}

async function telegram() {
    const TelegramServer = require('telegram-test-api');
    const port = await freePort();
    await new (TelegramServer.default || TelegramServer)({ port, host: '127.0.0.1' }).start();
    say({ url: `http://127.0.0.1:${port}` });
    untilInputEnds();
}

async function slack(token) {
    const { createEmulator } = await module_of('emulate', 'dist', 'api.js');
    const one = await createEmulator({
        service: 'slack',
        port: await freePort(),
        seed: { slack: { channels: [{ name: 'ops' }], tokens: [{ token }],
                         incoming_webhooks: [{ channel: 'ops' }], strict_scopes: true } },
    });
    say({ url: one.url });
    untilInputEnds();
}

// The library goes the whole way again at each hop, so that it keeps no session.
function menuOf(UssdMenu) {
    const menu = new UssdMenu();
    const amount = () => menu.args.text.split('*')[1];
    menu.startState({
        run: () => menu.con('Catalyst\n1 My balance\n2 Top up\n3 Leave'),
        next: { 1: 'balance', 2: 'amount', 3: 'bye' },
    });
    menu.state('balance', { run: () => menu.end('Your balance is 12.50.') });
    menu.state('amount', { run: () => menu.con('How much?'), next: { '*^[0-9]{1,6}$': 'sure' } });
    menu.state('sure', {
        run: () => menu.con(`Top up ${amount()}?\n1 Yes\n2 No`),
        next: { 1: 'done', 2: 'bye' },
    });
    menu.state('done', { run: () => menu.end(`Thank you. ${amount()} is on its way.`) });
    menu.state('bye', { run: () => menu.end('Goodbye.') });
    return menu;
}

function ussd() {
    const UssdMenu = require('ussd-menu-builder');
    const server = http.createServer((request, response) => {
        let body = '';
        request.on('data', (piece) => { body += piece; });
        request.on('end', () => {
            const form = Object.fromEntries(new URLSearchParams(body));
            menuOf(UssdMenu).run(form, (text) => response.end(text));
        });
    }).listen(0, '127.0.0.1', () => say({ url: `http://127.0.0.1:${server.address().port}` }));
    untilInputEnds();
}

function mail() {
    const { SMTPServer } = require('smtp-server');
    const { simpleParser } = require('mailparser');
    const server = new SMTPServer({
        authOptional: true,
        disabledCommands: ['STARTTLS'],
        onAuth: (auth, session, done) => done(auth.password === 's3cret' ? null : new Error('no'), { user: 1 }),
        onData: async (stream, session, done) => {
            const one = await simpleParser(stream);
            say({
                from: session.envelope.mailFrom.address,
                to: session.envelope.rcptTo.map((to) => to.address),
                subject: one.subject, text: one.text, html: one.html, id: one.messageId,
                references: [].concat(one.references || []), inReplyTo: one.inReplyTo, date: one.date,
                names: one.to.value.map((to) => to.name), sender: one.from.value[0],
            });
            done();
        },
    });
    server.listen(0, '127.0.0.1', () => say({ port: server.server.address().port }));
    untilInputEnds();
}

// What a receiver or client makes of a question; a thrown error is a refusal.
async function answers() {
    const { WhatsAppAPI } = await module_of('whatsapp-api-js', 'lib', 'index.js');
    const messages = await module_of('whatsapp-api-js', 'lib', 'messages', 'index.js');
    const { Webhook } = require('standardwebhooks');
    const { subtle } = require('crypto').webcrypto;

    // Which body and path its client sends; `say` gets the request.
    function client(appSecret, seen) {
        return new WhatsAppAPI({
            token: 't', appSecret, v: 'v21.0',
            ponyfill: {
                subtle,
                fetch: async (url, request) => {
                    seen.push({ url: String(url), body: JSON.parse(request.body) });
                    return { json: async () => ({ messages: [{ id: 'wamid.1' }] }) };
                },
            },
        });
    }
    const build = {
        text: ({ text, preview }) => new messages.Text(text, preview),
        image: ({ link, caption }) => new messages.Image(link, false, caption),
        template: ({ name, language, values }) => new messages.Template(
            name, new messages.Language(language), new messages.BodyComponent(
                ...values.map((value) => new messages.BodyParameter(value)))),
        buttons: ({ text, title, id }) => new messages.Interactive(
            new messages.ActionButtons(new messages.Button(id, title)), new messages.Body(text)),
    };
    const known = {
        async whatsapp_sends({ kind, to, from, opaque, reply, ...more }) {
            const seen = [];
            await client('s', seen).sendMessage(from, to, build[kind](more), reply, opaque);
            return seen[0];
        },
        async whatsapp_takes({ secret, body, signature }) {
            const api = client(secret, []);
            let got;
            api.on.message = ({ phoneID, from, name, message }) => {
                got = { kind: 'message', phoneID, from, name, id: message.id, type: message.type,
                        text: message.text && message.text.body };
            };
            api.on.status = (status) => {
                got = { kind: 'status', phoneID: status.phoneID, phone: status.phone, status: status.status,
                        id: status.id, opaque: status.biz_opaque_callback_data };
            };
            await api.post(JSON.parse(body), body, signature);
            return got;
        },
        webhook_verifies: ({ secret, headers, body }) => new Webhook(secret).verify(body, headers),
        webhook_signs: ({ secret, id, at, body }) => new Webhook(secret).sign(id, new Date(at * 1000), body),
    };
    say({});
    for await (const line of readline.createInterface({ input: process.stdin })) {
        const { ask, ...more } = JSON.parse(line);
        try {
            say({ given: (await known[ask](more)) ?? null });
        } catch (error) {
            say({ refused: String(error && error.message || error) });
        }
    }
}

const [name, ...words] = process.argv.slice(2);
Promise.resolve({ telegram, slack, ussd, mail, answers }[name](...words)).catch((error) => {
    console.error(error);
    process.exit(1);
});
