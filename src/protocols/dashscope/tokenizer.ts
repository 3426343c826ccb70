/** `POST /tokenizer`: the tokens of the raw text, without a chat template (dashscope-native reference §10). */
import { StudioError } from '../../core/errors.ts';
import { textOf } from '../../core/generation.ts';
import type { TextToken } from '../../core/ports.ts';
import { isObject } from '../parameters.ts';
import type { ResourceRoute, WirePorts } from '../protocol.ts';
import { decodeModel } from './decode.ts';
import { decodeInput } from './input.ts';

export function tokenizerRoutes(prefix: string, { tokens }: Pick<WirePorts, 'tokens'>): ResourceRoute[] {
  return [
    {
      method: 'POST',
      path: `${prefix}/tokenizer`,
      handle: async ({ body, requestId, account }) => {
        if (!isObject(body)) throw new StudioError('malformed-body');
        const model = decodeModel(body);
        const found: TextToken[] = [];
        // Each message by itself: no token spans two of them.
        for (const { parts } of decodeInput(body.input))
          found.push(...(await tokens.tokenise(model, textOf(parts), account)));
        return {
          status: 200,
          body: {
            output: { token_ids: found.map(({ id }) => id), tokens: found.map(({ text }) => text) },
            usage: { input_tokens: found.length },
            request_id: requestId,
          },
        };
      },
    },
  ];
}
