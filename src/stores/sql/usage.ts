/** Sums over the receipts. */
import type { UsageGrouping, UsageReports, UsageRow } from '../../core/usage-report.ts';
import type { Database } from './database.ts';

const EXPRESSIONS: { readonly [grouping in UsageGrouping]: string } = {
  day: "date(started_at_ms / 1000, 'unixepoch', 'localtime')",
  model: 'model',
  key: 'key_id',
  ending: 'ending',
};

/** The reports of one database. */
export function createUsageReports({ sqlite }: Database): UsageReports {
  return {
    report: ({ groupBy, fromMs, untilMs }) =>
      sqlite
        .prepare<[number, number], UsageRow>(
          `SELECT ${EXPRESSIONS[groupBy]} AS "group", count(*) AS calls, sum(input_total) AS inputTokens,
             sum(input_cached_read) AS cachedTokens, sum(output_total) AS outputTokens,
             sum(output_reasoning) AS reasoningTokens, sum(charge_nano) AS chargeNano
           FROM receipts WHERE started_at_ms >= ? AND started_at_ms < ?
           GROUP BY 1 ORDER BY ${groupBy === 'day' ? '1' : 'chargeNano DESC, calls DESC, 1'}`,
        )
        .all(fromMs, untilMs),
  };
}
