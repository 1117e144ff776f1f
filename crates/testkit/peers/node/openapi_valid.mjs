// Holds OpenAPI documents, given as files, against the specification. Says what is wrong on standard error.

import { readFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';

const { values, positionals } = parseArgs({ allowPositionals: true, options: { modules: { type: 'string' } } });
const place = `${values.modules}/@seriousme/openapi-schema-validator/index.js`;
const { Validator } = await import(pathToFileURL(place));

for (const name of positionals) {
  const validator = new Validator();
  const { valid, errors } = await validator.validate(readFileSync(name, 'utf8'));
  if (!valid) {
    process.exitCode = 1;
    console.error(`${name}: ${JSON.stringify(errors).slice(0, 4000)}`);
  }
  // What leads nowhere is no error of the schema.
  if (valid) validator.resolveRefs();
}
