
/* --- from what the server counts to what happened within a second ------------------------------------------- */

const SAMPLES_MAX = 3700;

/* What share of the durations counted between two looks did not exceed, in microseconds; null if there were none.
 * buckets: [number, end in ns, count]; a bucket begins at its end divided by width. */
function percentile(buckets, before, share, width) {
  const old = new Map(before.map(([number, , count]) => [number, count]));
  const fresh = [];
  let total = 0;
  for (const [number, end, count] of buckets) {
    const more = count - (old.get(number) || 0);
    if (more > 0) fresh.push([end, more]);
    total += Math.max(0, more);
  }
  let seen = 0;
  for (const [end, count] of fresh) {
    if (seen + count >= share * total) {
      const begin = end / width;
      return (begin + (end - begin) * (share * total - seen) / count) / 1000;
    }
    seen += count;
  }
  return null;
}

/* Whether the figures of both looks are of the same life of the server, and none was set back to 0. */
function isContinued(stats, before) {
  return before !== null && stats.server.started_ms === before.server.started_ms && stats.server.pid === before.server.pid &&
    stats.commands.total >= before.commands.total && stats.server.uptime_us > before.server.uptime_us;
}

function ratesOf(stats, before) {
  const seconds = (stats.server.uptime_us - before.server.uptime_us) / 1e6;
  const rate = (read) => Math.max(0, read(stats) - read(before)) / seconds;
  const durations = stats.commands.durations;
  const old = before.commands.durations;
  const sample = {
    ops: rate((s) => s.commands.total),
    reads: rate((s) => s.commands.reads),
    writes: rate((s) => s.commands.writes),
    p50: percentile(durations, old, 0.5, 1.1),
    p99: percentile(durations, old, 0.99, 1.1),
    p999: percentile(durations, old, 0.999, 1.1),
    lagP50: percentile(stats.loop.durations, before.loop.durations, 0.5, 2),
    lagP99: percentile(stats.loop.durations, before.loop.durations, 0.99, 2),
    busy: Math.min(1, rate((s) => s.loop.busy_us) / 1e6),
    bytesIn: rate((s) => s.connections.bytes_in),
    bytesOut: rate((s) => s.connections.bytes_out),
  };
  if (!stats.log || !before.log) return sample;
  const syncs = stats.log.sync_durations;
  const oldSyncs = before.log.sync_durations;
  const waits = stats.log.write_waits;
  const oldWaits = before.log.write_waits;
  const ended = (s) => s.log.rewrites + s.log.rewrites_failed;
  return Object.assign(sample, {
    waitP50: percentile(waits, oldWaits, 0.5, 1.1),
    waitP99: percentile(waits, oldWaits, 0.99, 1.1),
    waitP999: percentile(waits, oldWaits, 0.999, 1.1),
    syncs: rate((s) => s.log.syncs),
    syncP50: percentile(syncs, oldSyncs, 0.5, 2),
    syncP99: percentile(syncs, oldSyncs, 0.99, 2),
    syncP999: percentile(syncs, oldSyncs, 0.999, 2),
    written: rate((s) => s.log.bytes),
    rewritesEnded: ended(stats) - ended(before),
    rewriteFailed: stats.log.rewrites_failed > before.log.rewrites_failed,
    rewriteSeconds: stats.log.last_rewrite_us / 1e6,
  });
}

function sampleOf(stats, before, number) {
  const log = stats.log;
  const sample = {
    number,
    t: now(),
    ms: stats.server.now_ms,
    gap: !isContinued(stats, before),
    memory: stats.memory.used,
    resident: stats.memory.rss,
    limit: stats.memory.max || null,
    keys: stats.keyspace.keys,
    volatileKeys: stats.keyspace.volatile_keys,
    hashes: stats.keyspace.types.hash,
    clients: stats.connections.current,
    http: stats.connections.http,
    blocked: stats.connections.blocked,
    rewriting: Boolean(log && log.rewriting),
    rewriteShare: log && log.rewriting && log.rewrite_keys_total ? log.rewrite_keys / log.rewrite_keys_total : null,
    disk: log ? log.base_bytes + log.log_bytes + log.value_bytes_dead : null,
    live: log ? log.live_bytes : null,
  };
  return sample.gap ? sample : Object.assign(sample, ratesOf(stats, before));
}

function samplesAdd(sample) {
  view.samples.push(sample);
  if (view.samples.length > SAMPLES_MAX) view.samples.splice(0, view.samples.length - SAMPLES_MAX);
}
