// SPDX-License-Identifier: Apache-2.0
// An SMSC built on npm's smpp, for test_smpp.py: what it does with a message stands in the text, what
// came is printed as JSON lines, and lines on stdin are commands.
//
//   text          answer                       settings (environment)
//   throttle N    ESME_RTHROTTLED N times      RECEIPTS  after, before, none
//   full N        ESME_RMSGQFUL N times        IDS       text, hex (the response's; receipts decimal)
//   lost          none                         PASSWORD  that is right
//   late N        after N ms
//   shuffle       when 10 are here, last first
//   bad           ESME_RINVDSTADR
//   cut           the connection is cut
//
// Commands: {"deliver": {pdu}}, {"cut": true}
'use strict';
const smpp = require('smpp');
const readline = require('readline');

const receipts = process.env.RECEIPTS || 'none';
const hex = process.env.IDS === 'hex';
const seen = {};
const shuffled = [];
const sessions = new Set();
let number = 1000;

const say = (what) => process.stdout.write(JSON.stringify(what) + '\n');

function textOf(pdu) {
    const message = pdu.short_message && pdu.short_message.message;
    return Buffer.isBuffer(message) ? message.toString('latin1') : String(message || '');
}

function receipt(session, pdu, id) {
    const to = [...sessions].find((one) => one.mode !== 'bind_transmitter') || session;
    to.deliver_sm({
        esm_class: 4, source_addr: pdu.destination_addr, destination_addr: pdu.source_addr,
        source_addr_ton: 1, source_addr_npi: 1,
        short_message: `id:${id} sub:001 dlvrd:001 submit date:2501021530 done date:2501021531 ` +
            'stat:DELIVRD err:000 text:x',
    }, (answer) => say({ answer: answer.command_status, of: String(id) }));
}

function accept(session, pdu, delay) {
    const id = number++;
    const send = () => session.send(pdu.response({ message_id: hex ? id.toString(16).toUpperCase() : String(id) }));
    const wanted = pdu.registered_delivery && receipts !== 'none';
    say({ id, to: pdu.destination_addr });
    if (wanted && receipts === 'before') {
        receipt(session, pdu, id);
        setTimeout(send, 100);
        return;
    }
    delay ? setTimeout(send, delay) : send();
    if (wanted)
        setTimeout(() => receipt(session, pdu, id), 20);
}

function submit(session, pdu) {
    const text = textOf(pdu), [word, argument] = text.split(' '), key = `${pdu.destination_addr} ${text}`;
    const times = seen[key] = (seen[key] || 0) + 1;
    say({ submit: text, to: pdu.destination_addr, from: pdu.source_addr, coding: pdu.data_coding,
          esm: pdu.esm_class, times, at: Date.now(), service: pdu.service_type, op: pdu.ussd_service_op,
          registered: pdu.registered_delivery,
          info: pdu.its_session_info ? pdu.its_session_info.readUInt16BE(0) : undefined,
          udh: pdu.short_message && pdu.short_message.udh ? pdu.short_message.udh.map((u) => u.toString('hex')) : undefined });
    if ((word === 'throttle' || word === 'full') && times <= Number(argument))
        session.send(pdu.response({ command_status: word === 'full' ? smpp.ESME_RMSGQFUL : smpp.ESME_RTHROTTLED }));
    else if (word === 'bad')
        session.send(pdu.response({ command_status: smpp.ESME_RINVDSTADR }));
    else if (word === 'cut')
        session.destroy();
    else if (word === 'late')
        accept(session, pdu, Number(argument));
    else if (word === 'shuffle') {
        shuffled.push(pdu);
        if (shuffled.length === 10)
            for (const one of shuffled.splice(0).reverse())
                accept(session, one);
    } else if (word !== 'lost')
        accept(session, pdu);
}

const server = smpp.createServer((session) => {
    for (const mode of ['bind_transceiver', 'bind_transmitter', 'bind_receiver'])
        session.on(mode, (pdu) => {
            say({ bind: mode, system_id: pdu.system_id });
            const wrong = process.env.PASSWORD && pdu.password !== process.env.PASSWORD;
            session.send(pdu.response({ command_status: wrong ? smpp.ESME_RINVPASWD : 0, system_id: 'smsc' }));
            session.mode = mode;
            if (!wrong)
                sessions.add(session);
        });
    session.on('submit_sm', (pdu) => submit(session, pdu));
    session.on('data_sm', (pdu) => { say({ data_sm: true }); accept(session, pdu); });
    session.on('query_sm', (pdu) => session.send(pdu.response({ message_id: pdu.message_id, message_state: 2, error_code: 0 })));
    session.on('enquire_link', (pdu) => session.send(pdu.response()));
    session.on('unbind', (pdu) => { session.send(pdu.response()); session.close(); });
    session.on('close', () => { sessions.delete(session); say({ closed: true }); });
    session.on('error', () => sessions.delete(session));
});

readline.createInterface({ input: process.stdin }).on('line', (line) => {
    const command = JSON.parse(line);
    const to = [...sessions].find((one) => one.mode !== 'bind_transmitter');
    if (command.cut)
        for (const one of sessions)
            one.destroy();
    if (command.deliver && to) {
        const pdu = { ...command.deliver };
        if (pdu.hex)
            pdu.short_message = Buffer.from(pdu.hex, 'hex');
        delete pdu.hex;
        if (pdu.info !== undefined) {
            pdu.its_session_info = Buffer.from([pdu.info >> 8, pdu.info & 255]);
            delete pdu.info;
        }
        to.deliver_sm(pdu, (answer) => say({ answer: answer.command_status, of: command.name }));
    }
}).on('close', () => process.exit(0));

server.listen(0, '127.0.0.1', () => say({ port: server.address().port }));
