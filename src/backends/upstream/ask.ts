/** Small questions to a server, answered by one JSON body; answers of models go through `call.ts`. */
import type { Dispatcher } from 'undici';
import { StudioError } from '../../core/errors.ts';
import type { WireObject } from './encode-messages.ts';
import { failureOfConnection, failureOfReply, unreadableReply } from './errors.ts';

/** POSTs to a path beside the API, `/tokenize`; gives the JSON of the reply. Rejects with a StudioError. */
export type AskServer = (path: string, body: WireObject, model: string) => Promise<unknown>;

/** Older versions of a server, and switched-off endpoints. */
const NOT_THERE = new Set([404, 405, 501]);

/** `rootPath` is the base URL's path without its `/v1`: what is no part of OpenAI's API lies beside it. */
export function createAsk(
  dispatcher: Dispatcher,
  rootPath: string,
  headers: { readonly [name: string]: string },
): AskServer {
  return async (path, body, model) => {
    const sent = JSON.stringify(body);
    const { status, text } = await exchange(dispatcher, `${rootPath}${path}`, headers, sent);
    if (NOT_THERE.has(status)) {
      const cause = new Error(`upstream status ${status} for ${path}`);
      throw new StudioError('model-not-supported', `Tokens of \`${model}\` cannot be counted here`, { cause });
    }
    if (status >= 300) throw failureOfReply({ status, body: text, retryAfter: undefined, model, sent }).error;
    try {
      return JSON.parse(text);
    } catch {
      throw unreadableReply('what is not JSON').error;
    }
  };
}

async function exchange(
  dispatcher: Dispatcher,
  path: string,
  headers: { readonly [name: string]: string },
  body: string,
): Promise<{ readonly status: number; readonly text: string }> {
  try {
    const reply = await dispatcher.request({
      path,
      method: 'POST',
      headers: { ...headers, 'content-type': 'application/json' },
      body,
    });
    return { status: reply.statusCode, text: await reply.body.text() };
  } catch (thrown) {
    throw failureOfConnection(thrown).error;
  }
}
