// Drives the client of the TypeScript SDK 1.x from JSON lines on standard input.

import { answerServer, clientCapabilities, load, pinHandshake, serve, settings } from './driver.mjs';

const sdk = '@modelcontextprotocol/sdk/dist/esm';
const { Client } = await load(`${sdk}/client/index.js`);
const { SSEClientTransport } = await load(`${sdk}/client/sse.js`);
const { StdioClientTransport } = await load(`${sdk}/client/stdio.js`);
const { StreamableHTTPClientTransport } = await load(`${sdk}/client/streamableHttp.js`);
const { WebSocketClientTransport } = await load(`${sdk}/client/websocket.js`);
const types = await load(`${sdk}/types.js`);

if (settings.era !== 'legacy') throw new Error('this SDK knows the handshake only; use --era legacy');

const requestSchemas = {
  'sampling/createMessage': types.CreateMessageRequestSchema,
  'elicitation/create': types.ElicitRequestSchema,
  'roots/list': types.ListRootsRequestSchema,
};

function newTransport() {
  const requestInit = { headers: settings.headers };
  switch (settings.transport) {
    case 'http':
      return new StreamableHTTPClientTransport(new URL(settings.url), { requestInit });
    case 'sse':
      return new SSEClientTransport(new URL(settings.url), { requestInit });
    case 'ws':
      return new WebSocketClientTransport(new URL(settings.url));
    case 'stdio':
      return new StdioClientTransport({ command: settings.command[0], args: settings.command.slice(1) });
  }
  throw new Error(`no transport ${settings.transport}`);
}

async function connect(command) {
  const capabilities = clientCapabilities(command.capabilities);
  const client = new Client({ name: command.name ?? 'typescript-1', version: '0' }, { capabilities });
  answerServer(client, capabilities, (method, reply) => client.setRequestHandler(requestSchemas[method], reply));
  const transport = newTransport();
  pinHandshake(transport, command.version);
  // The SDK tells only the transport which revision was agreed on.
  let protocolVersion = null;
  const setProtocolVersion = transport.setProtocolVersion?.bind(transport);
  transport.setProtocolVersion = version => {
    protocolVersion = version;
    setProtocolVersion?.(version);
  };
  await client.connect(transport);
  return {
    client,
    callTool: (params, options) => client.callTool(params, undefined, options),
    subscribe: uri => client.subscribeResource({ uri }),
    listen: () => {
      throw new Error('this SDK has no listen');
    },
    describe: () => ({
      protocolVersion,
      serverInfo: client.getServerVersion() ?? null,
      capabilities: client.getServerCapabilities() ?? null,
      instructions: client.getInstructions() ?? null,
      sessionId: transport.sessionId ?? null,
      era: 'legacy',
    }),
    close: async () => {
      // Closing the transport leaves the session on the server; ending it is a request of its own.
      await transport.terminateSession?.();
      await client.close();
    },
  };
}

await serve(connect);
