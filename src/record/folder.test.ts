import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { RecordingFolder } from './folder.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'atelier-folder-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const exchange = (line: string, type = 'application/json') => ({
  source: 'test',
  request: { line, headers: {}, body: null },
  response: { status: 200, headers: { 'content-type': type }, body: '' },
});

it('names files by number, path and kind', async () => {
  const recordings = new RecordingFolder(join(folder, 'new'));
  const write = (line: string, type?: string) => recordings.write(recordings.nextNumber(), exchange(line, type));
  expect(await write('POST /api/v1/services/aigc/text-generation/generation HTTP/1.1', 'text/event-stream')).toBe(
    '0001-text-generation-generation-sse',
  );
  expect(await write('GET /compatible-mode/v1/batches/batch_2ecfc43e-439e-4443/cancel?x=1 HTTP/1.1')).toBe(
    '0002-batches-cancel-nosse',
  );
  expect(await write('GET / HTTP/1.1')).toBe('0003-nosse');
  expect(readdirSync(join(folder, 'new'))).toHaveLength(3);
});

it('goes on after what is there, and writes the name into the file', async () => {
  writeFileSync(join(folder, '0041-models-nosse.json'), '{}');
  const recordings = new RecordingFolder(folder);
  const name = await recordings.write(recordings.nextNumber(), exchange('GET /v1/models HTTP/1.1'));
  expect(name).toBe('0042-models-nosse');
  expect(JSON.parse(readFileSync(join(folder, `${name}.json`), 'utf8'))).toMatchObject({ name, source: 'test' });
});
