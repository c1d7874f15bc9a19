# ruby-redis against a server with a password: ruby check.rb SOCKET PASSWORD RESTART
# RESTART is a command that restarts the server. Exits with 0 when everything is as it should be.
require "redis"

socket, password, restart = ARGV

def same(actual, expected, what)
  raise "#{what}: #{actual.inspect[0, 200]} instead of #{expected.inspect[0, 200]}" unless actual == expected
end

def fails(error, pattern)
  yield
rescue error => e
  raise "the message '#{e.message}'" unless e.message =~ pattern
else
  raise "no #{error} like #{pattern}"
end

# Connect and authenticate: wrong passwords and missing ones are exceptions.
fails(Redis::CommandError, /NOAUTH/) { Redis.new(path: socket).get("key") }
fails(Redis::CannotConnectError, /WRONGPASS/) { Redis.new(path: socket, password: "wrong").get("key") } rescue
  fails(Redis::CommandError, /WRONGPASS/) { Redis.new(path: socket, password: "wrong").get("key") }
client = Redis.new(path: socket, password: password, reconnect_attempts: 50, reconnect_delay: 0.02)
same(Redis.new(path: socket, username: "default", password: password).ping, "PONG", "a user and a password")
client.flushall

# Strings, unicode and binary keys.
same(client.set("key", "value"), "OK", "set")
same(client.get("key"), "value", "get")
same(client.get("missing"), nil, "a missing key")
same(client.set("key", "other", nx: true, ex: 100), false, "set nx")
client.set("ünï", "cödé")
same(client.get("ünï"), "cödé", "unicode")
bytes = (0..255).to_a.pack("C*")
client.set("\0\xff\r\n".b, bytes)
same(client.get("\0\xff\r\n".b).b, bytes, "binary")
same(client.incrby("n", 41), 41, "incrby")
same(client.incr("n"), 42, "incr")
same(client.incrbyfloat("n", 0.5), 42.5, "incrbyfloat")
same(client.mget("key", "missing"), ["value", nil], "mget")
same(client.expire("n", 100), true, "expire")
same(client.ttl("n") > 90, true, "ttl")
same(client.del("n", "key"), 2, "del")

# Hashes.
same(client.mapped_hmset("h", "a" => "1", "ünï" => "cödé"), "OK", "mapped_hmset")
same(client.hset("h", "b", "2"), 1, "hset")
same(client.hgetall("h"), { "a" => "1", "ünï" => "cödé", "b" => "2" }, "hgetall")
same(client.hmget("h", "a", "none"), ["1", nil], "hmget")
same(client.hincrby("h", "a", 41), 42, "hincrby")
same(client.hincrbyfloat("h", "a", 0.5), 42.5, "hincrbyfloat")
same(client.hdel("h", "a", "none"), 1, "hdel")
same(client.hscan_each("h", match: "b*").to_a, [["b", "2"]], "hscan_each")
same(client.type("h"), "hash", "type")
same(client.del("h"), 1, "del of a hash")

# A large value.
large = Random.bytes(20_000_000)
client.set("large", large)
same(client.get("large").b == large, true, "large")

# An error is of that command alone.
client.set("text", "x")
fails(Redis::CommandError, /not an integer/) { client.incr("text") }
same(client.ping, "PONG", "ping")

# Pipelines, transactions and WATCH.
same(client.pipelined { |p| 1000.times { |i| p.set("p:#{i}", i) } }, ["OK"] * 1000, "pipeline")
same(client.multi { |m| m.set("t", 1); m.incr("t"); m.get("t") }, ["OK", 2, "2"], "transaction")
other = Redis.new(path: socket, password: password)
same(client.watch("t") { other.set("t", 10); client.multi { |m| m.incr("t") } }, nil, "a watched key changed")
same(client.watch("t") { client.multi { |m| m.incr("t") } }, [11], "a watched key did not change")
same(client.scan_each(match: "p:*", count: 100).to_a.uniq.size, 1000, "scan")

# A read that takes too long is an exception.
fails(Redis::TimeoutError, /./) { Redis.new(path: socket, password: password, read_timeout: 0.2, reconnect_attempts: 0).call("WAIT", 1, 5000) }

# Messages.
heard = Queue.new
listener = Thread.new do
  Redis.new(path: socket, password: password).subscribe("news") do |on|
    on.subscribe { heard << "ready" }
    on.message { |channel, message| heard << "#{channel}: #{message}"; break if message == "last" }
  end
end
same(heard.pop, "ready", "subscribed")
same(client.publish("news", "first"), 1, "publish")
client.publish("news", "last")
same([heard.pop, heard.pop], ["news: first", "news: last"], "messages")
listener.kill

# After a restart it connects and authenticates by itself.
raise "restart" unless system(restart)
same(client.get("t"), "11", "after a restart")
puts "all as expected"
