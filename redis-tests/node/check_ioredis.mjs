// npm's `ioredis` against a server: node check_ioredis.mjs SOCKET PORT
// Exits with 0 when everything is as it should be.
import assert from "node:assert/strict";
import Redis from "ioredis";

const [socketPath, port] = process.argv.slice(2);
const options = { path: socketPath, connectionName: "checker", retryStrategy: () => 20 };
const client = new Redis(options);
client.on("error", () => {}); // reconnecting is what is being looked at
await client.flushall();

// Strings and keys.
assert.equal(await client.set("key", "value"), "OK");
assert.equal(await client.get("key"), "value");
assert.equal(await client.set("key", "other", "NX"), null);
assert.equal(await client.set("key", "third", "EX", 100, "XX", "GET"), "value");
assert.ok((await client.ttl("key")) > 90);
assert.equal(await client.mset(new Map([["a", "1"], ["b", "2"]])), "OK");
assert.deepEqual(await client.mget("a", "b", "none"), ["1", "2", null]);
assert.equal(await client.incrby("a", 41), 42);
assert.equal(await client.getdel("b"), "2");
assert.deepEqual((await client.keys("*")).sort(), ["a", "key"]);
const bytes = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
await client.set("bytes", bytes);
assert.deepEqual(await client.getBuffer("bytes"), bytes);

// Errors, also within a pipeline and a transaction.
await assert.rejects(client.incr("key"), /not an integer/);
const pipelined = await client.pipeline().set("p", "1").incr("key").incr("p").exec();
assert.equal(pipelined[0][1], "OK");
assert.match(pipelined[1][0].message, /not an integer/);
assert.equal(pipelined[2][1], 2);
assert.deepEqual(await client.multi().set("t", "1").incr("t").get("t").exec(), [[null, "OK"], [null, 2], [null, "2"]]);
await assert.rejects(client.multi().set("t").exec(), /EXECABORT|wrong number/);

// WATCH from another connection.
const other = new Redis(options);
await client.watch("t");
await other.set("t", "10");
assert.equal(await client.multi().incr("t").exec(), null);

// Many at once, and a stream over SCAN.
const pipeline = client.pipeline();
for (let i = 0; i < 2000; i++) pipeline.set(`scan:${i}`, String(i));
assert.equal((await pipeline.exec()).length, 2000);
const found = new Set();
for await (const keys of client.scanStream({ match: "scan:*", count: 100 })) for (const key of keys) found.add(key);
assert.equal(found.size, 2000);

// Messages.
const heard = [];
const listener = new Redis(options);
listener.on("message", (channel, message) => heard.push([channel, message]));
listener.on("pmessage", (pattern, channel, message) => heard.push([pattern, channel, message]));
assert.equal(await listener.subscribe("news", "more"), 2);
assert.equal(await listener.psubscribe("n*"), 3);
assert.equal(await client.publish("news", "first"), 2);
assert.equal(await client.publish("more", "second"), 1);
for (let i = 0; i < 500 && heard.length < 3; i++) await new Promise((resolve) => setTimeout(resolve, 10));
assert.deepEqual(heard, [["news", "first"], ["n*", "news", "first"], ["more", "second"]]);
await assert.rejects(listener.get("key"), /subscriber mode/);
assert.equal(await listener.unsubscribe("news", "more"), 1);
assert.equal(await listener.punsubscribe("n*"), 0);
assert.equal(await listener.get("key"), "third");
listener.disconnect();

// MONITOR.
const watched = [];
const monitor = await other.monitor();
monitor.on("monitor", (time, args) => watched.push(args));
await client.set("seen", "a b");
for (let i = 0; i < 500 && watched.length < 1; i++) await new Promise((resolve) => setTimeout(resolve, 10));
assert.deepEqual(watched[0], ["set", "seen", "a b"]);
monitor.disconnect();

// The connection.
assert.equal(await client.client("GETNAME"), "checker");
await client.select(2);
await client.set("here", "yes");
assert.match(await client.info(), /redis_version:\d+/);
await other.client("KILL", "ID", String(await client.client("ID")));
await new Promise((resolve) => setTimeout(resolve, 200));
assert.equal(await client.get("here"), "yes");
assert.equal(await client.client("GETNAME"), "checker");

const tcp = new Redis({ host: "127.0.0.1", port: Number(port) });
assert.equal(await tcp.echo("over tcp"), "over tcp");
assert.equal(await client.quit(), "OK");
tcp.disconnect();
other.disconnect();
console.log("npm ioredis: all as expected");
