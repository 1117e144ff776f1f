// The part of the TypeScript drivers that does not depend on the SDK's version: commands in, answers out.

import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';

import { replies } from './answers.mjs';

// Loads a file of an installed package by its place, since this folder has no node_modules above it.
export const load = place => import(pathToFileURL(`${settings.modules}/${place}`));

function readSettings() {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      modules: { type: 'string' },
      transport: { type: 'string' },
      url: { type: 'string' },
      header: { type: 'string', multiple: true, default: [] },
      era: { type: 'string', default: 'legacy' },
    },
  });
  const stdio = values.transport === 'stdio';
  if (!values.modules || stdio !== positionals.length > 0 || stdio === Boolean(values.url)) {
    throw new Error('need --modules DIR --transport http|sse|ws|stdio and --url URL, or -- COMMAND for stdio');
  }
  const headers = Object.fromEntries(values.header.map(line => line.split(/: (.*)/s, 2)));
  return { ...values, headers, command: positionals };
}

export const settings = readSettings();

// Everything received without asking, oldest first.
class Events {
  seen = [];
  #grew = () => {};

  add(event) {
    this.seen.push(event);
    this.#grew();
  }

  drain() {
    return this.seen.splice(0);
  }

  async take({ kind, method, timeout = 30 }) {
    const until = Date.now() + timeout * 1000;
    for (;;) {
      const place = this.seen.findIndex(e => (!kind || e.kind === kind) && (!method || e.method === method));
      if (place >= 0) return this.seen.splice(place, 1)[0];
      const left = until - Date.now();
      if (left <= 0) throw new Error(`no event ${kind ?? ''} ${method ?? ''} within ${timeout} s`);
      await new Promise(wake => {
        const timer = setTimeout(wake, left);
        this.#grew = () => (clearTimeout(timer), wake());
      });
    }
  }
}

export const events = new Events();

// Neither version of the SDK has a setting for the revision offered in `initialize`.
export function pinHandshake(transport, version) {
  if (!version) return;
  const send = transport.send.bind(transport);
  transport.send = (message, options) => {
    const offer = message.method === 'initialize';
    return send(offer ? { ...message, params: { ...message.params, protocolVersion: version } } : message, options);
  };
}

export function clientCapabilities(names = ['roots', 'sampling', 'elicitation']) {
  const all = { roots: { listChanged: true }, sampling: {}, elicitation: { form: {}, url: {} } };
  return Object.fromEntries((names ?? Object.keys(all)).map(name => [name, all[name]]));
}

// Registers the fixed replies; `on(method, reply)` is how the SDK at hand is told.
export function answerServer(client, capabilities, on) {
  for (const [method, { needs, reply }] of Object.entries(replies)) {
    if (needs in capabilities) {
      on(method, request => {
        events.add({ kind: 'request', method, params: request.params ?? {} });
        return reply(request.params ?? {});
      });
    }
  }
  client.fallbackNotificationHandler = async ({ method, params }) => {
    events.add({ kind: 'notification', method, params: params ?? {} });
  };
  client.onerror = fault => events.add({ kind: 'error', message: String(fault) });
}

// Walks all pages unless the command names one. With no params at all SDK 2 walks by itself.
async function pages(ask, member, { cursor }) {
  if (cursor != null) return ask({ cursor });
  const page = await ask();
  const gathered = [...page[member]];
  for (let next = page.nextCursor; next; ) {
    const more = await ask({ cursor: next });
    gathered.push(...more[member]);
    next = more.nextCursor;
  }
  const { nextCursor: _, ...rest } = page;
  return { ...rest, [member]: gathered };
}

function callOptions({ name, progress, timeout }) {
  const noted = params => events.add({ kind: 'progress', method: 'notifications/progress', params, call: name });
  return { ...(progress && { onprogress: noted }), ...(timeout && { timeout: timeout * 1000 }) };
}

const call = (peer, command, options = {}) => {
  const { name, arguments: given = {}, meta } = command;
  return peer.callTool({ name, arguments: given, ...(meta && { _meta: meta }) }, { ...callOptions(command), ...options });
};

async function cancelCall(peer, command) {
  const stop = new AbortController();
  let timer;
  const waited = new Promise(wake => (timer = setTimeout(wake, command.after_ms ?? 100, null)));
  const running = call(peer, command, { signal: stop.signal });
  const result = await Promise.race([running, waited]).finally(() => clearTimeout(timer));
  if (result !== null) return { cancelled: false, result };
  stop.abort('the driver was told to');
  await running.catch(() => {});
  return { cancelled: true };
}

// `peer` is { client, callTool, describe, listen, close } of the SDK at hand.
const commands = {
  server_info: peer => peer.describe(),
  list_tools: (peer, command) => pages(p => peer.client.listTools(p), 'tools', command),
  list_resources: (peer, command) => pages(p => peer.client.listResources(p), 'resources', command),
  list_templates: (peer, command) => pages(p => peer.client.listResourceTemplates(p), 'resourceTemplates', command),
  list_prompts: (peer, command) => pages(p => peer.client.listPrompts(p), 'prompts', command),
  call,
  cancel_call: cancelCall,
  read: (peer, { uri }) => peer.client.readResource({ uri }),
  get_prompt: (peer, { name, arguments: given }) => peer.client.getPrompt({ name, arguments: given ?? {} }),
  complete: (peer, { ref, argument, arguments: given }) =>
    peer.client.complete({ ref, argument, ...(given && { context: { arguments: given } }) }),
  subscribe: (peer, { uri }) => peer.subscribe(uri),
  unsubscribe: (peer, { uri }) => peer.client.unsubscribeResource({ uri }),
  listen: (peer, command) => peer.listen(command),
  set_level: (peer, { level }) => peer.client.setLoggingLevel(level),
  ping: peer => peer.client.ping(),
  roots_changed: async peer => (await peer.client.sendRootsListChanged(), {}),
  parallel: (peer, command) =>
    Promise.all(command.calls.map(one => answer({ peer }, { op: 'call', ...one }))),
};

async function run(state, command, connect) {
  switch (command.op) {
    case 'connect':
      state.peer = await connect(command);
      return state.peer.describe();
    case 'events':
      return events.drain();
    case 'wait_event':
      return events.take(command);
    case 'close':
      await state.peer?.close();
      return {};
  }
  if (!(command.op in commands)) throw new Error(`no command ${command.op}`);
  if (!state.peer) throw new Error('not connected');
  return commands[command.op](state.peer, command);
}

async function answer(state, command, connect) {
  try {
    return { ok: true, value: (await run(state, command, connect)) ?? null };
  } catch (fault) {
    const cause = fault?.cause ? ` (${fault.cause})` : '';
    const message = (fault?.message ?? String(fault)) + cause;
    return {
      ok: false,
      error: { kind: fault?.constructor?.name, code: fault?.code ?? null, message, data: fault?.data ?? null },
    };
  }
}

export async function serve(connect) {
  const state = {};
  for await (const line of createInterface({ input: process.stdin, crlfDelay: Infinity })) {
    const command = JSON.parse(line);
    const text = JSON.stringify(await answer(state, command, connect));
    if (!process.stdout.write(text + '\n')) await once(process.stdout, 'drain');
    if (command.op === 'close') break;
  }
  await state.peer?.close();
  process.exit(0);
}
