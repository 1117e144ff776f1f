// Opens the API browser in Chromium, tries an operation and says what was seen, as one line of JSON.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';

const { values } = parseArgs({
  options: {
    modules: { type: 'string' },
    chromium: { type: 'string' },
    url: { type: 'string' },
    operation: { type: 'string' },
    body: { type: 'string' },
  },
});
const { chromium } = (await import(pathToFileURL(`${values.modules}/playwright-core/index.js`))).default;

const folder = mkdtempSync(join(tmpdir(), 'janua-browser-'));
const browser = await chromium.launchPersistentContext(folder, {
  executablePath: values.chromium,
  headless: true,
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
    '--disable-component-update', '--disable-sync'],
});
try {
  const page = await browser.newPage();
  const requests = [];
  const complaints = [];
  page.on('request', request => requests.push(request.url()));
  page.on('console', message => message.type() === 'error' && complaints.push(message.text()));
  page.on('pageerror', error => complaints.push(String(error)));
  await page.goto(values.url);
  const block = page.locator(`.opblock[id$="-${values.operation}"]`);
  await block.locator('.opblock-summary-control').click();
  await block.locator('button.try-out__btn').click();
  const offered = await block.locator('textarea.body-param__text').inputValue();
  if (values.body) await block.locator('textarea.body-param__text').fill(values.body);
  await block.locator('button.execute').click();
  const answer = block.locator('.live-responses-table .response').first();
  await answer.waitFor();
  const status = (await answer.locator('.response-col_status').innerText()).trim();
  const body = (await answer.locator('.highlight-code, .microlight').first().innerText()).replace(/^Download/, '').trim();
  const title = await page.locator('.info .title').innerText();
  const operations = await page.locator('.opblock').count();
  console.log(JSON.stringify({ title, operations, offered, status, body, requests, complaints }));
} finally {
  await browser.close();
  rmSync(folder, { recursive: true, force: true });
}
