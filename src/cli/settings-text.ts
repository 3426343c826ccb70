/** What a start prints: where the server is and what to paste into a program that was written for Model Studio. */
import { REGIONS, type Region } from '../core/regions.ts';
import { shellWord } from './shell-word.ts';
import { asTyped, styled } from './terminal.ts';

export interface ServerFacts {
  readonly version: string;
  readonly baseUrl: string;
  /** Undefined when the user keeps keys elsewhere. */
  readonly secret: string | undefined;
  readonly keyNote: string;
  /** Where the admin key is kept; undefined when the user keeps it elsewhere. */
  readonly adminKeyFile?: string | undefined;
  /** Of the base URL. */
  readonly region: Region;
  /** Of regions that have a port of their own. */
  readonly regionPorts?: { readonly [region in Region]?: number } | undefined;
  /** With a certificate that was made here: of whom programs have to trust. */
  readonly trustFile?: string | undefined;
  /** `qwen2.5-coder-1.5b answers every text model`, for a person. */
  readonly answeredBy: string;
  /** A model id that works. */
  readonly model: string;
}

/** The whole text, ready to print. Code begins at the margin: Python would not take it indented. */
export function settingsText(facts: ServerFacts): string {
  const url = `${facts.baseUrl}/compatible-mode/v1`;
  const key = facts.secret ?? 'YOUR_KEY';
  return [
    `${styled('bold', `Atelier ${facts.version} is ready.`)} ${facts.answeredBy}`,
    '',
    `  ${styled('bold', 'Base URL')}  ${url}`,
    `  ${styled('bold', 'API key')}   ${key}`,
    `            ${styled('dim', asTyped(facts.keyNote))}`,
    ...(facts.adminKeyFile === undefined ? [] : [`  ${styled('bold', 'Admin key')} kept in ${facts.adminKeyFile}`]),
    `  ${styled('bold', 'Region')}    ${regionsText(facts)}`,
    '',
    ...trustText(facts.trustFile),
    heading('Any OpenAI SDK', 'in the shell'),
    `export OPENAI_BASE_URL=${url}`,
    `export OPENAI_API_KEY=${key}`,
    '',
    heading('Python', 'pip install openai'),
    'from openai import OpenAI',
    `client = OpenAI(base_url="${url}", api_key="${key}")`,
    `stream = client.chat.completions.create(model="${facts.model}", stream=True,`,
    '    messages=[{"role": "user", "content": "Hello!"}])',
    'for chunk in stream:',
    '    print(chunk.choices[0].delta.content or "", end="", flush=True)',
    '',
    heading('Node', 'npm install openai'),
    "import OpenAI from 'openai';",
    `const client = new OpenAI({ baseURL: '${url}', apiKey: '${key}' });`,
    `const stream = await client.chat.completions.create({ model: '${facts.model}', stream: true,`,
    "  messages: [{ role: 'user', content: 'Hello!' }] });",
    "for await (const chunk of stream) process.stdout.write(chunk.choices[0]?.delta.content ?? '');",
    '',
    heading("Anthropic's SDKs, Claude Code", 'in the shell'),
    `export ANTHROPIC_BASE_URL=${facts.baseUrl}/apps/anthropic`,
    `export ANTHROPIC_AUTH_TOKEN=${key}`,
    `export ANTHROPIC_MODEL=${facts.model}`,
    '',
    heading('DashScope SDKs', 'in the shell'),
    `export DASHSCOPE_HTTP_BASE_URL=${facts.baseUrl}/api/v1`,
    `export DASHSCOPE_WEBSOCKET_BASE_URL=${facts.baseUrl.replace(/^http/, 'ws')}/api-ws/v1/inference`,
    `export DASHSCOPE_API_KEY=${key}`,
    '',
    heading('curl'),
    `curl -N ${url}/chat/completions \\`,
    `  -H "Authorization: Bearer ${key}" -H "Content-Type: application/json" \\`,
    `  -d '{"model":"${facts.model}","stream":true,"messages":[{"role":"user","content":"Hello!"}]}'`,
    '',
    styled('dim', 'Other clients and agents: docs/wires/clients.md'),
    styled('dim', asTyped('Talk to it from another terminal: atelier chat     Stop it: Ctrl-C')),
  ].join('\n');
}

function regionsText({ region, regionPorts = {} }: ServerFacts): string {
  const others = REGIONS.filter((each) => each !== region && regionPorts[each] !== undefined).map(
    (each) => `${each} on port ${regionPorts[each]}`,
  );
  return [region, ...others, styled('dim', 'others by path or host name: docs/regions.md')].join('; ');
}

/** What is pasted below works in a shell that knows this. */
function trustText(trustFile: string | undefined): string[] {
  if (trustFile === undefined) return [];
  const file = shellWord(trustFile);
  const names = ['NODE_EXTRA_CA_CERTS', 'SSL_CERT_FILE', 'REQUESTS_CA_BUNDLE', 'CURL_CA_BUNDLE'];
  return [
    heading('Until this machine trusts the certificate', asTyped('atelier trust tells how')),
    `export ${names.map((name) => `${name}=${file}`).join(' ')}`,
    '',
  ];
}

function heading(title: string, aside?: string): string {
  return `${styled('bold', title)}${aside ? styled('dim', `  (${aside})`) : ''}`;
}
