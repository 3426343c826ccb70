/** The headers that speak of the context cache. */
import type { CacheWish } from '../core/generation.ts';
import type { Headers } from './protocol.ts';

/** "Qwen-Character", session cache: any text, the same one in every call of a conversation. */
export function sessionKeyWish({ 'x-dashscope-aca-session': key }: Headers): CacheWish | undefined {
  return key === undefined || key === '' ? undefined : { sessionKey: key };
}

/** "Create a response", session cache: `enable` or `disable`, which is the default. */
export function keptSessionWish({ 'x-dashscope-session-cache': value }: Headers): CacheWish | undefined {
  return value?.toLowerCase() === 'enable' ? { keepsSession: true } : undefined;
}
