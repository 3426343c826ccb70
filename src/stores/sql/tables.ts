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
  priority: string;
  charge_nano: number;
  charge_lines: string | null;
}

export interface FilesTable {
  sequence: Generated<number>;
  file_id: string;
  workspace_id: string;
  key_id: string;
  name: string;
  purpose: string | null;
  description: string;
  bytes: number;
  md5: string;
  blob_id: string;
  created_at_ms: number;
}

export interface BatchesTable {
  sequence: Generated<number>;
  batch_id: string;
  workspace_id: string;
  key_id: string;
  key_name: string;
  endpoint: string;
  input_file_id: string;
  input_blob_id: string;
  completion_window: string;
  status: string;
  errors: string | null;
  metadata: string | null;
  name: string | null;
  output_file_id: string | null;
  error_file_id: string | null;
  created_at_ms: number;
  expires_at_ms: number;
  in_progress_at_ms: number | null;
  finalizing_at_ms: number | null;
  completed_at_ms: number | null;
  failed_at_ms: number | null;
  expired_at_ms: number | null;
  cancelling_at_ms: number | null;
  cancelled_at_ms: number | null;
  total: number;
  completed: number;
  failed: number;
}

export interface BatchResultsTable {
  batch_id: string;
  line: number;
  is_failure: number;
  text: string;
}

export interface UploadsTable {
  key: string;
  workspace_id: string;
  model: string;
  content_type: string;
  bytes: number;
  blob_id: string;
  expires_at_ms: number;
}

export interface TasksTable {
  task_id: string;
  workspace_id: string;
  key_id: string;
  request_id: string;
  model: string;
  api: string;
  status: string;
  created_at_ms: number;
  started_at_ms: number | null;
  ended_at_ms: number | null;
  metrics: string | null;
  output: string | null;
  usage: string | null;
}

export interface TemporaryKeysTable {
  hash: string;
  parent_id: string;
  expires_at_ms: number;
}

export interface ResponsesTable {
  response_id: string;
  workspace_id: string;
  previous_response_id: string | null;
  thread_id: string;
  conversation_id: string | null;
  conversation_up_to: number | null;
  status: string;
  created_at_ms: number;
  expires_at_ms: number;
  is_deleted: number;
  input: string;
  body: string;
  events: string | null;
}

export interface ConversationsTable {
  conversation_id: string;
  workspace_id: string;
  created_at_ms: number;
  used_at_ms: number;
  metadata: string;
}

export interface SealingKeysTable {
  id: number;
  secret: Buffer;
}

export interface ConversationItemsTable {
  sequence: Generated<number>;
  conversation_id: string;
  item_id: string;
  item: string;
}

export interface Tables {
  api_keys: ApiKeysTable;
  receipts: ReceiptsTable;
  files: FilesTable;
  batches: BatchesTable;
  batch_results: BatchResultsTable;
  uploads: UploadsTable;
  tasks: TasksTable;
  temporary_keys: TemporaryKeysTable;
  responses: ResponsesTable;
  conversations: ConversationsTable;
  conversation_items: ConversationItemsTable;
  sealing_keys: SealingKeysTable;
}
