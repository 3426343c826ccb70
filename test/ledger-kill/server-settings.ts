/** How the server that is killed is configured, for itself and for whoever makes its key. */

/** A token every two milliseconds, so that kills come into the middle of answers. */
const ANSWERS = 'scripted/text?tokens=40&rate=500';

export const SERVER_SETTINGS = {
  ATELIER_ENGINE_ENABLED: 'false',
  ATELIER_LIMITS: 'off',
  ATELIER_MODELS: JSON.stringify({ 'qwen-plus': ANSWERS, 'qwen-flash': ANSWERS }),
};
