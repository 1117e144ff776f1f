// Drives the client of the TypeScript SDK 2.x, in either era, from JSON lines on standard input.

import { answerServer, clientCapabilities, load, pinHandshake, serve, settings } from './driver.mjs';

const sdk = '@modelcontextprotocol/client/dist';
const { Client, SSEClientTransport, StreamableHTTPClientTransport } = await load(`${sdk}/index.mjs`);
const { StdioClientTransport } = await load(`${sdk}/stdio.mjs`);

const MODERN = '2026-07-28';
const modes = { legacy: 'legacy', auto: 'auto', modern: { pin: MODERN } };
if (!(settings.era in modes)) throw new Error(`no era ${settings.era}`);

function newTransport() {
  const requestInit = { headers: settings.headers };
  switch (settings.transport) {
    case 'http':
      return new StreamableHTTPClientTransport(new URL(settings.url), { requestInit });
    case 'sse':
      return new SSEClientTransport(new URL(settings.url), { requestInit });
    case 'stdio':
      return new StdioClientTransport({ command: settings.command[0], args: settings.command.slice(1) });
  }
  throw new Error(`no transport ${settings.transport}`);
}

const describe = (client, transport) => ({
  protocolVersion: client.getNegotiatedProtocolVersion() ?? null,
  serverInfo: client.getServerVersion() ?? null,
  capabilities: client.getServerCapabilities() ?? null,
  instructions: client.getInstructions() ?? null,
  sessionId: transport.sessionId ?? null,
  era: client.getProtocolEra() ?? null,
});

async function connect(command) {
  const capabilities = clientCapabilities(command.capabilities);
  const versionNegotiation = { mode: modes[settings.era] };
  const client = new Client(
    { name: command.name ?? 'typescript-2', version: '0' },
    { capabilities, versionNegotiation },
  );
  answerServer(client, capabilities, (method, reply) => client.setRequestHandler(method, reply));
  const transport = newTransport();
  pinHandshake(transport, command.version);
  await client.connect(transport);
  const listening = [];
  const listen = async filter => {
    const opened = await client.listen(filter);
    listening.push(opened);
    return opened.honoredFilter;
  };
  return {
    client,
    callTool: (params, options) => client.callTool(params, options),
    subscribe: uri =>
      client.getProtocolEra() === 'modern'
        ? listen({ resourceSubscriptions: [uri] })
        : client.subscribeResource({ uri }),
    listen: ({ tools = false, prompts = false, resources = false, uris = [] }) =>
      listen({
        toolsListChanged: tools,
        promptsListChanged: prompts,
        resourcesListChanged: resources,
        resourceSubscriptions: uris,
      }),
    describe: () => describe(client, transport),
    close: async () => {
      await Promise.all(listening.map(one => one.close()));
      // Closing the transport leaves the session on the server; ending it is a request of its own.
      await transport.terminateSession?.();
      await client.close();
    },
  };
}

await serve(connect);
