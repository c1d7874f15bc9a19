// npm's `redis` against a server: node check_redis.mjs SOCKET PORT 2|3
// Exits with 0 when everything is as it should be.
import assert from "node:assert/strict";
import { createClient, WatchError } from "redis";

const [socketPath, port, protocol] = process.argv.slice(2);

async function connect(options = {}) {
  const socket = { path: socketPath, reconnectStrategy: 20 };
  const client = createClient({ socket, RESP: Number(protocol), ...options });
  client.on("error", () => {}); // reconnecting is what is being looked at
  await client.connect();
  return client;
}

const client = await connect({ name: "checker" });
await client.flushAll();

// Strings and keys.
assert.equal(await client.set("key", "value"), "OK");
assert.equal(await client.get("key"), "value");
assert.equal(await client.get("missing"), null);
assert.equal(await client.set("key", "other", { condition: "NX" }), null);
const swap = { condition: "XX", GET: true, expiration: { type: "EX", value: 100 } };
assert.equal(await client.set("key", "third", swap), "value");
assert.ok((await client.ttl("key")) > 90);
assert.equal(await client.persist("key"), 1);
assert.deepEqual(await client.mSet({ a: "1", b: "2", ünï: "cödé" }), "OK");
assert.deepEqual(await client.mGet(["a", "b", "none", "ünï"]), ["1", "2", null, "cödé"]);
assert.equal(await client.incrBy("a", 41), 42);
assert.equal(Number(await client.incrByFloat("a", 0.5)), 42.5);
assert.equal(await client.append("b", "22"), 3);
assert.equal(await client.strLen("b"), 3);
assert.equal(await client.getRange("b", 0, 1), "22");
assert.equal(await client.getDel("b"), "222");
assert.equal(await client.exists(["a", "b"]), 1);
assert.equal(await client.type("a"), "string");
assert.equal(await client.rename("a", "c"), "OK");
assert.equal(await client.copy("c", "d"), 1);
assert.deepEqual((await client.keys("*")).sort(), ["c", "d", "key", "ünï"].sort());
assert.equal(await client.dbSize(), 4);
assert.equal(await client.del(["c", "d"]), 2);

// Errors are errors of that command alone.
await assert.rejects(client.incr("key"), /not an integer/);
await assert.rejects(client.sendCommand(["NOSUCH", "x"]), /unknown command/);
assert.equal(await client.ping(), "PONG");

// Scanning with its iterator.
for (let i = 0; i < 500; i++) client.set(`scan:${i}`, String(i));
const found = new Set();
for await (const keys of client.scanIterator({ MATCH: "scan:*", COUNT: 50 })) for (const key of keys) found.add(key);
assert.equal(found.size, 500);

// Transactions and WATCH.
assert.deepEqual(await client.multi().set("t", "1").incr("t").get("t").exec(), ["OK", 2, "2"]);
const other = await connect();
await client.watch("t");
await other.set("t", "10");
await assert.rejects(client.multi().incr("t").exec(), WatchError);
assert.equal(await client.get("t"), "10");

// Many at once, pipelined by the client; binary values.
const replies = await Promise.all(Array.from({ length: 5000 }, (_, i) => client.set(`p:${i}`, `v${i}`)));
assert.ok(replies.every((reply) => reply === "OK"));
assert.equal(await client.get("p:4999"), "v4999");
const bytes = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
const binaryKey = Buffer.from([0, 255, 13, 10]);
await client.set(binaryKey, bytes);
assert.deepEqual(await client.withTypeMapping({ 36: Buffer }).get(binaryKey), bytes);

// Messages: channels, patterns, sharded channels, and back to commands; a binary message.
const heard = [];
const note = (message, channel) => heard.push([channel, message]);
const until = async (condition) => {
  for (let i = 0; i < 500 && !condition(); i++) await new Promise((resolve) => setTimeout(resolve, 10));
  assert.ok(condition());
};
const listener = await connect();
await listener.subscribe("news", note);
await listener.pSubscribe("news.*", note);
await listener.sSubscribe("shard", note);
assert.equal(await client.publish("news", "first"), 1);
assert.equal(await client.publish("news.sport", "second"), 1);
assert.equal(await client.sPublish("shard", "third"), 1);
assert.equal(await client.publish("other", "nobody"), 0);
await until(() => heard.length === 3);
assert.deepEqual(heard, [["news", "first"], ["news.sport", "second"], ["shard", "third"]]);
assert.deepEqual(await client.pubSubChannels("n*"), ["news"]);
assert.deepEqual({ ...(await client.pubSubNumSub(["news"])) }, { news: 1 });
assert.equal(await client.pubSubNumPat(), 1);
await listener.unsubscribe("news");
await listener.pUnsubscribe();
await listener.sUnsubscribe();
assert.equal(await client.publish("news", "late"), 0);
assert.equal(String(await listener.get("key")), "third");

// Subscriptions come back after an uninvited end of the connection.
await listener.subscribe("again", note);
const listening = (await client.clientList()).find((one) => one.sub === 1).id;
await client.sendCommand(["CLIENT", "KILL", "ID", String(listening)]);
await until(() => true);
for (let i = 0; i < 200 && (await client.publish("again", "back")) === 0; i++)
  await new Promise((resolve) => setTimeout(resolve, 10));
await until(() => heard.some(([channel, message]) => channel === "again" && message === "back"));
await listener.close();

// Client-side caching, which needs pushes.
if (Number(protocol) === 3) {
  const caching = await connect({ clientSideCache: { ttl: 0, maxEntries: 0, evictPolicy: "LRU" } });
  await client.set("cached", "1");
  assert.equal(await caching.get("cached"), "1");
  assert.equal(await caching.get("cached"), "1");
  await client.set("cached", "2");
  for (let i = 0; i < 200 && (await caching.get("cached")) !== "2"; i++)
    await new Promise((resolve) => setTimeout(resolve, 10));
  assert.equal(await caching.get("cached"), "2");
  await caching.close();
}

// The connection: database, name, id, information.
assert.equal(await client.clientGetName(), "checker");
assert.ok((await client.clientId()) > 0);
assert.equal(typeof (await client.clientInfo()).id, "number");
await client.select(3);
assert.equal(await client.dbSize(), 0);
await client.select(0);
assert.match(await client.info("server"), /redis_version:\d+/);
assert.equal((await client.configGet("databases")).databases, "16");
assert.ok((await client.time()) !== null);

// An uninvited end of the connection: it comes back by itself, in its database, under its name.
await client.select(2);
await client.set("here", "yes");
await other.sendCommand(["CLIENT", "KILL", "ID", String(await client.clientId())]);
await new Promise((resolve) => setTimeout(resolve, 200));
assert.equal(await client.get("here"), "yes");
assert.equal(await client.clientGetName(), "checker");

// Over TCP as well.
const tcp = await connect({ socket: { host: "127.0.0.1", port: Number(port) } });
assert.equal(await tcp.echo("over tcp"), "over tcp");
await Promise.all([tcp.close(), other.close()]);
await client.close();
console.log("npm redis: all as expected");
