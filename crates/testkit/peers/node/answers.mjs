// What the TypeScript drivers' client says when a server asks it something: always the same.

const formats = {
  email: 'ann@example.com',
  uri: 'https://example.com/ann',
  date: '2026-01-02',
  'date-time': '2026-01-02T03:04:05Z',
};

// The values a schema lists, in either of the ways the protocol knows.
const choices = schema =>
  schema.enum ?? (schema.oneOf ?? schema.anyOf ?? []).filter(one => 'const' in one).map(one => one.const);

// One fixed value that satisfies a primitive schema of an elicitation.
function filled(schema) {
  const listed = choices(schema);
  if (listed.length > 0) return listed[0];
  switch (schema.type) {
    case 'boolean':
      return true;
    case 'integer':
    case 'number':
      return Math.min(Math.max(7, schema.minimum ?? 7), schema.maximum ?? Infinity);
    case 'array':
      return choices(schema.items ?? {}).slice(0, Math.max(1, schema.minItems ?? 1));
    default:
      return (formats[schema.format] ?? 'ann').padEnd(schema.minLength ?? 0, 'n').slice(0, schema.maxLength);
  }
}

// The last text of the last message of a sampling request.
function sampledText({ messages = [] }) {
  const blocks = [messages.at(-1)?.content ?? []].flat();
  return blocks.filter(block => block.type === 'text').at(-1)?.text ?? '';
}

function elicited({ mode, requestedSchema }) {
  if (mode === 'url') return { action: 'accept' };
  const asked = Object.entries(requestedSchema?.properties ?? {});
  return { action: 'accept', content: Object.fromEntries(asked.map(([name, schema]) => [name, filled(schema)])) };
}

export const replies = {
  'sampling/createMessage': {
    needs: 'sampling',
    reply: params => ({
      role: 'assistant',
      content: { type: 'text', text: `sampled: ${sampledText(params)}` },
      model: 'peer-model',
      stopReason: 'endTurn',
    }),
  },
  'elicitation/create': { needs: 'elicitation', reply: elicited },
  'roots/list': { needs: 'roots', reply: () => ({ roots: [{ uri: 'file:///peer/root', name: 'root' }] }) },
};
