// SPDX-License-Identifier: Apache-2.0
// npm's SMPP codec and two calculators of segments as a filter of lines, for peer_smpp_codec.py.
//   read HEX      what npm's smpp reads of a PDU
//   make JSON     the PDU it writes, in hex
//   parts JSON    what the two calculators say of a text
'use strict';
const readline = require('readline');
const smpp = require('smpp');
const { SegmentedMessage } = require('sms-segments-calculator');
const { getCharCount } = require('@trt2/gsm-charset-utils');

function plain(value) {
    if (Buffer.isBuffer(value))
        return value.toString('hex');
    if (value instanceof Date)
        return value.toISOString();
    if (value && typeof value === 'object' && 'message' in value)
        return plain(value.message);
    return value;
}

function read(hex) {
    const pdu = smpp.PDU.fromBuffer(Buffer.from(hex, 'hex'));
    const out = {};
    for (const name of Object.keys(pdu))
        out[name] = plain(pdu[name]);
    return out;
}

function parts(text) {
    const twilio = new SegmentedMessage(text);
    const trt2 = getCharCount(text);
    return {
        twilio: [twilio.encodingName, twilio.segmentsCount],
        trt2: [trt2.encoding, trt2.msgCount],
    };
}

readline.createInterface({ input: process.stdin }).on('line', (line) => {
    const [, what, rest] = line.match(/^(\w+) (.*)$/);
    let answer;
    try {
        if (what === 'read')
            answer = read(rest);
        else if (what === 'make') {
            const { command, ...fields } = JSON.parse(rest);
            if (typeof fields.short_message === 'string')
                fields.short_message = Buffer.from(fields.short_message, 'hex');
            answer = { hex: new smpp.PDU(command, fields).toBuffer().toString('hex') };
        } else
            answer = parts(JSON.parse(rest));
    } catch (error) {
        answer = { error: String(error) };
    }
    process.stdout.write(JSON.stringify(answer) + '\n');
});
