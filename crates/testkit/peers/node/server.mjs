// A server made with the TypeScript SDK 2.x that speaks both eras, over stdio or Streamable HTTP.

import { createServer } from 'node:http';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';

const { values: settings } = parseArgs({
  options: { modules: { type: 'string' }, http: { type: 'string' }, modern: { type: 'boolean', default: false } },
});
if (!settings.modules) throw new Error('need --modules DIR, and may have --http PORT and --modern');

const load = place => import(pathToFileURL(`${settings.modules}/${place}`));
const sdk = '@modelcontextprotocol/server/dist';
const { McpServer, ResourceTemplate, acceptedContent, completable, createMcpHandler, inputRequired, inputResponse } =
  await load(`${sdk}/index.mjs`);
const { z } = await load('zod/index.js');

const text = said => ({ content: [{ type: 'text', text: said }] });
const givenUp = new Set();

const person = z.object({ name: z.string(), age: z.number().int() });
const questions = {
  person: () => inputRequired.elicit({ message: 'Who are you?', requestedSchema: person }),
  reply: question =>
    inputRequired.createMessage({ messages: [{ role: 'user', content: { type: 'text', text: question } }], maxTokens: 10 }),
  roots: () => inputRequired.listRoots(),
};

// The answers to these questions, or the result that asks them.
function asked(ctx, wanted) {
  const given = ctx.mcpReq.inputResponses;
  const open = Object.keys(wanted).filter(name => inputResponse(given, name).kind === 'missing');
  if (open.length > 0) {
    const requests = open.map(name => [name, questions[name](wanted[name])]);
    return { more: inputRequired({ inputRequests: Object.fromEntries(requests) }) };
  }
  return {
    person: acceptedContent(given, 'person', person),
    reply: inputResponse(given, 'reply').result?.content.text,
    roots: inputResponse(given, 'roots').roots?.map(root => root.uri),
  };
}

function addQuestions(server) {
  server.registerTool('greet_user', { description: 'Elicits a name and an age, then greets' }, ctx => {
    const { more, person } = asked(ctx, { person: null });
    return more ?? text(`hello ${person.name}, ${person.age}`);
  });
  const question = z.object({ question: z.string() });
  server.registerTool('ask', { inputSchema: question }, ({ question }, ctx) => {
    const { more, reply } = asked(ctx, { reply: question });
    return more ?? text(reply);
  });
  server.registerTool('roots', {}, ctx => {
    const { more, roots } = asked(ctx, { roots: null });
    return more ?? text(roots.join(' '));
  });
  server.registerTool('survey', { inputSchema: question }, ({ question }, ctx) => {
    const { more, person, reply, roots } = asked(ctx, { person: null, reply: question, roots: null });
    return more ?? text(`${person.name}; ${reply}; ${roots[0]}`);
  });
}

function addWork(server) {
  const numbers = z.object({ a: z.number(), b: z.number() });
  server.registerTool('add', { inputSchema: numbers, outputSchema: z.object({ result: z.number() }) }, ({ a, b }) => ({
    ...text(String(a + b)),
    structuredContent: { result: a + b },
  }));
  server.registerTool('fail', {}, () => {
    throw new Error('it went wrong');
  });
  const steps = z.object({ to: z.number(), pause: z.number().default(0) });
  server.registerTool('count', { inputSchema: steps }, async ({ to, pause }, ctx) => {
    const progressToken = ctx.mcpReq._meta?.progressToken;
    for (let step = 1; step <= to; step++) {
      if (progressToken !== undefined) {
        const params = { progressToken, progress: step, total: to, message: `step ${step}` };
        await ctx.mcpReq.notify({ method: 'notifications/progress', params });
      }
      await ctx.mcpReq.log('info', `step ${step}`);
      await new Promise(done => setTimeout(done, pause * 1000));
    }
    return text(`counted to ${to}`);
  });
  const late = z.object({ seconds: z.number(), name: z.string().default('') });
  server.registerTool('wait', { inputSchema: late }, ({ seconds, name }, ctx) =>
    new Promise((done, failed) => {
      const timer = setTimeout(() => done(text('waited')), seconds * 1000);
      ctx.mcpReq.signal.addEventListener('abort', () => {
        clearTimeout(timer);
        givenUp.add(name);
        failed(new Error('given up'));
      });
    }));
  server.registerTool('was_cancelled', { inputSchema: z.object({ name: z.string() }) }, ({ name }) =>
    text(givenUp.has(name) ? 'yes' : 'no'));
}

function addRest(server, notify) {
  server.registerTool('touch', {}, async () => {
    await notify.resourceUpdated('note://one');
    await notify.toolsChanged();
    return text('touched');
  });
  const noted = (uri, said) => ({ contents: [{ uri: uri.href, mimeType: 'text/plain', text: said }] });
  server.registerResource('note', 'note://one', {}, uri => noted(uri, 'the first note'));
  const template = new ResourceTemplate('note://by/{author}', { list: undefined });
  server.registerResource('note_by', template, {}, (uri, { author }) => noted(uri, `a note by ${author}`));
  const known = ['Ann', 'Anna', 'Bob'];
  const name = completable(z.string(), begun => known.filter(name => name.startsWith(begun)));
  server.registerPrompt('greeting', { argsSchema: z.object({ name }) }, ({ name }) => ({
    messages: [{ role: 'user', content: { type: 'text', text: `Greet ${name}.` } }],
  }));
}

const capabilities = {
  tools: { listChanged: true },
  resources: { subscribe: true, listChanged: true },
  prompts: { listChanged: true },
  logging: {},
};

// `shared` publishes changes beyond the one request an instance over HTTP lives for.
function newServer({ era }, shared) {
  const server = new McpServer({ name: 'typescript-2', version: '2.4.0' }, { capabilities });
  const own = {
    resourceUpdated: uri => server.server.sendResourceUpdated({ uri }),
    toolsChanged: () => server.server.sendToolListChanged(),
  };
  addWork(server);
  addQuestions(server);
  addRest(server, shared ?? own);
  if (era === 'legacy') {
    server.server.setRequestHandler('resources/subscribe', () => ({}));
    server.server.setRequestHandler('resources/unsubscribe', () => ({}));
  }
  return server;
}

const legacy = kept => (settings.modern ? 'reject' : kept);
if (settings.http === undefined) {
  const { serveStdio } = await load(`${sdk}/stdio.mjs`);
  serveStdio(ctx => newServer(ctx), { legacy: legacy('serve') });
} else {
  const { toNodeHandler } = await load('@modelcontextprotocol/node/dist/index.mjs');
  let published;
  const notify = {
    resourceUpdated: uri => published.resourceUpdated(uri),
    toolsChanged: () => published.toolsChanged(),
  };
  const handler = createMcpHandler(ctx => newServer(ctx, notify), { legacy: legacy('stateless') });
  published = handler.notify;
  const http = createServer(toNodeHandler(handler));
  http.listen(Number(settings.http), '127.0.0.1', () => {
    console.error(`running on http://127.0.0.1:${http.address().port}`);
  });
}
