/** The tables as queries see them; `stores/migrations` makes them. */
import type { Generated } from 'kysely';

export interface ApiKeysTable {
  id: string;
  name: string;
  hash: string;
  hint: string;
  created_at_ms: number;
  revoked_at_ms: number | null;
  kind: Generated<string>;
  region: Generated<string>;
  workspace_id: Generated<string>;
  models: string | null;
  budget: string | null;
  limits: string | null;
  expires_at_ms: number | null;
  keeps_bodies: Generated<number>;
}

export interface WorkspacesTable {
  id: string;
  name: string;
  models: string | null;
  budget: string | null;
  created_at_ms: number;
  deleted_at_ms: number | null;
}

export interface RevisionsTable {
  name: string;
  revision: number;
}

/** Sums of receipts, and of the lines of their charges by kind; what is left of `charge_nano` is the output. */
export interface UsageCounts {
  calls: number;
  input_tokens: number;
  cached_tokens: number;
  written_tokens: number;
  image_tokens: number;
  video_tokens: number;
  audio_tokens: number;
  tool_tokens: number;
  output_tokens: number;
  reasoning_tokens: number;
  free_tokens: number;
  charge_nano: number;
  input_nano: number;
  cached_nano: number;
  written_nano: number;
}

/** Of an hour (`usage_hourly`) or of a day of Beijing (`usage_daily`). */
export interface UsageSumsTable extends UsageCounts {
  starts_at_ms: number;
  region: string;
  workspace_id: string;
  key_id: string;
  model: string;
  protocol: string;
  ending: string;
  priority: string;
}

/** Of an hour, everything together. */
export interface UsageTotalsTable extends UsageCounts {
  starts_at_ms: number;
  region: string;
}

/** Of a day of Beijing. */
export interface BillItemsTable {
  starts_at_ms: number;
  region: string;
  workspace_id: string;
  key_id: string;
  model: string;
  item: string;
  /** `free` for what the free quota paid, else `paid`. */
  is_free: string;
  tokens: number;
  nano: number;
}

export interface SpendingTable {
  scope: string;
  scope_id: string;
  period: string;
  nano: number;
}

export interface FreeQuotasTable {
  region: string;
  model: string;
  granted_tokens: number;
  used_tokens: number;
  first_used_at_ms: number;
  expires_at_ms: number;
}

export interface PricesTable {
  sequence: Generated<number>;
  model: string;
  region: string | null;
  valid_from_ms: number;
  prices: string;
  created_at_ms: number;
}

export interface SettingsTable {
  name: string;
  value: string;
}

export interface AuditTable {
  sequence: Generated<number>;
  at_ms: number;
  actor: string;
  action: string;
  subject: string;
  details: string;
}

export interface CallBodiesTable {
  receipt_id: string;
  request: string;
  reply: string;
  expires_at_ms: number;
}

export interface ReceiptsTable {
  id: Generated<number>;
  receipt_id: string | null;
  workspace_id: Generated<string>;
  region: Generated<string>;
  free_tokens: Generated<number>;
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
  region: string;
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
  region: string;
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
  owner: Generated<string>;
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
  region: string;
  model: string;
  content_type: string;
  bytes: number;
  blob_id: string;
  expires_at_ms: number;
}

export interface TasksTable {
  task_id: string;
  workspace_id: string;
  region: string;
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
  region: string;
  previous_response_id: string | null;
  thread_id: string;
  conversation_id: string | null;
  conversation_up_to: number | null;
  status: string;
  created_at_ms: number;
  expires_at_ms: number;
  is_deleted: Generated<number>;
  input: string;
  body: string;
  events: string | null;
  owner: Generated<string>;
}

export interface ConversationsTable {
  conversation_id: string;
  workspace_id: string;
  region: string;
  created_at_ms: number;
  used_at_ms: number;
  metadata: string;
  turn_id: string | null;
  turn_until_ms: number | null;
}

export interface ServersTable {
  id: string;
  seen_at_ms: number;
}

export interface BlobsTable {
  id: string;
  is_whole: number;
  created_at_ms: number;
}

export interface BlobChunksTable {
  blob: string;
  number: number;
  bytes: Buffer;
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
  workspaces: WorkspacesTable;
  revisions: RevisionsTable;
  usage_hourly: UsageSumsTable;
  usage_daily: UsageSumsTable;
  usage_totals: UsageTotalsTable;
  bill_items: BillItemsTable;
  spending: SpendingTable;
  free_quotas: FreeQuotasTable;
  prices: PricesTable;
  settings: SettingsTable;
  audit: AuditTable;
  call_bodies: CallBodiesTable;
  servers: ServersTable;
  blobs: BlobsTable;
  blob_chunks: BlobChunksTable;
}
