// npm's `redis` and `ioredis` with hashes: node check_hashes.mjs SOCKET 2|3 TIMES
// TIMES is "times" where fields have times to live. Exits with 0 when everything is as it should be.
import assert from "node:assert/strict";
import Redis from "ioredis";
import { createClient } from "redis";

const [socketPath, protocol, times] = process.argv.slice(2);
const client = createClient({ socket: { path: socketPath }, RESP: Number(protocol) });
await client.connect();
await client.flushAll();
const plain = (reply) => ({ ...reply });

assert.equal(await client.hSet("h", { a: "1", b: "zwei", ünï: "cödé" }), 3);
assert.equal(await client.hSet("h", "a", 2), 0);
assert.equal(await client.hGet("h", "a"), "2");
assert.equal(await client.hGet("h", "none"), null);
assert.deepEqual(plain(await client.hGetAll("h")), { a: "2", b: "zwei", ünï: "cödé" });
assert.deepEqual(plain(await client.hGetAll("none")), {});
assert.deepEqual(await client.hmGet("h", ["b", "none"]), ["zwei", null]);
assert.equal(await client.hIncrBy("h", "a", 40), 42);
assert.equal(Number(await client.hIncrByFloat("h", "a", 0.5)), 42.5);
assert.equal(await client.hSetNX("h", "a", "x"), 0);
assert.deepEqual(await client.hKeys("h"), ["a", "b", "ünï"]);
assert.deepEqual(await client.hVals("h"), ["42.5", "zwei", "cödé"]);
assert.equal(await client.hLen("h"), 3);
assert.equal(await client.hExists("h", "b"), 1);
assert.equal(await client.hStrLen("h", "b"), 4);
assert.equal(await client.hDel("h", ["b", "none"]), 1);
assert.ok(["a", "ünï"].includes(await client.hRandField("h")));
assert.equal((await client.hRandFieldCountWithValues("h", -5)).length, 5);
await assert.rejects(client.get("h"), /WRONGTYPE/);

const large = Object.fromEntries(Array.from({ length: 2000 }, (_, i) => [`f${i}`, String(i)]));
await client.hSet("large", large);
const found = {};
for await (const entries of client.hScanIterator("large", { COUNT: 50 }))
  for (const { field, value } of entries) found[field] = value;
assert.deepEqual(found, large);
assert.deepEqual(await client.multi().hSet("m", "f", "1").hIncrBy("m", "f", 1).hGet("m", "f").exec(), [1, 2, "2"]);

if (times === "times") {
  await client.hSet("t", { a: "1", b: "2", c: "3" });
  assert.deepEqual(await client.hExpire("t", ["a", "none"], 1000), [1, -2]);
  const [left] = await client.hTTL("t", "a");
  assert.ok(left > 990 && left <= 1000);
  assert.deepEqual(await client.hpExpireAt("t", "b", 9999999999000), [1]);
  assert.deepEqual(await client.hpExpireTime("t", ["b", "c"]), [9999999999000, -1]);
  assert.deepEqual(await client.hPersist("t", ["a", "c"]), [1, -1]);
  assert.deepEqual(await client.hGetEx("t", "a", { expiration: { type: "EX", value: 1000 } }), ["1"]);
  assert.equal(await client.hSetEx("t", { d: "4" }, { mode: "FNX", expiration: { type: "PX", value: 1000000 } }), 1);
  assert.deepEqual(await client.hGetDel("t", ["c", "none"]), ["3", null]);
  assert.deepEqual((await client.hScanNoValues("t", "0")).fields.sort(), ["a", "b", "d"]);
}

const other = new Redis(socketPath);
assert.equal(await other.hset("i", { a: 1, b: 2 }), 2);
assert.deepEqual(await other.hgetall("i"), { a: "1", b: "2" });
assert.deepEqual(await other.hmget("i", "a", "none"), ["1", null]);
const streamed = [];
for await (const words of other.hscanStream("large", { count: 100 })) streamed.push(...words);
assert.equal(streamed.length, 4000);
const answers = await other.pipeline().hincrby("i", "a", 1).hdel("i", "b").hlen("i").exec();
assert.deepEqual(answers, [[null, 2], [null, 1], [null, 1]]);
await Promise.all([client.close(), other.quit()]);
console.log("npm redis and ioredis with hashes: all as expected");
