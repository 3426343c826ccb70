/** The tables as queries see them; `stores/migrations` makes them. */
import type { Generated } from 'kysely';

export interface ApiKeysTable {
  id: string;
  name: string;
  hash: string;
  hint: string;
  created_at_ms: number;
  revoked_at_ms: number | null;
}

export interface ReceiptsTable {
  id: Generated<number>;
  request_id: string;
  protocol: string;
  key_id: string;
  model: string;
  served_by: string;
  ending: string;
  error_code: string | null;
  started_at_ms: number;
  total_ms: number;
  first_token_ms: number | null;
  hosted_tools: string | null;
  input_total: number;
  input_cached_read: number;
  input_cache_written: number;
  input_image: number;
  input_video: number;
  input_audio: number;
  input_tool_definitions: number;
  output_total: number;
  output_reasoning: number;
  output_audio: number;
}

export interface Tables {
  api_keys: ApiKeysTable;
  receipts: ReceiptsTable;
}
