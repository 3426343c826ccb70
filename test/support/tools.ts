/** The founding document's weather function. */
export const WEATHER = {
  type: 'function' as const,
  function: {
    name: 'get_current_weather',
    description: 'Check weather in a city.',
    parameters: {
      type: 'object',
      properties: { location: { type: 'string', description: 'City or county.' } },
      required: ['location'],
    },
  },
};
