<?php
// php-redis against a server with a password: php check.php SOCKET PASSWORD RESTART
// RESTART is a command that restarts the server. Exits with 0 when everything is as it should be.
[, $socket, $password, $restart] = $argv;

function same($actual, $expected, string $what): void
{
    if ($actual !== $expected) {
        fwrite(STDERR, "$what: " . var_export($actual, true) . " instead of " . var_export($expected, true) . "\n");
        exit(1);
    }
}

function fails(callable $call, string $pattern): void
{
    try {
        $call();
    } catch (RedisException $error) {
        same(preg_match($pattern, $error->getMessage()), 1, "the message '{$error->getMessage()}'");
        return;
    }
    fwrite(STDERR, "no exception like $pattern\n");
    exit(1);
}

// Connect and authenticate: wrong passwords and missing ones are exceptions.
$client = new Redis();
same($client->connect($socket), true, 'connect');
fails(fn() => $client->get('key'), '/NOAUTH/');
fails(fn() => $client->auth('wrong'), '/WRONGPASS/');
same($client->auth($password), true, 'auth');
same($client->auth(['default', $password]), true, 'auth with a user');
same($client->flushAll(), true, 'flushAll');

// Strings, unicode and binary keys.
same($client->set('key', 'value'), true, 'set');
same($client->get('key'), 'value', 'get');
same($client->get('missing'), false, 'a missing key');
same($client->set('key', 'other', ['nx', 'ex' => 100]), false, 'set nx');
same($client->set('ünï', 'cödé'), true, 'unicode');
same($client->get('ünï'), 'cödé', 'unicode');
$bytes = implode('', array_map('chr', range(0, 255)));
same($client->set("\0\xff\r\n", $bytes), true, 'binary');
same($client->get("\0\xff\r\n"), $bytes, 'binary');
same($client->incrBy('n', 41), 41, 'incrBy');
same($client->incr('n'), 42, 'incr');
same($client->mget(['key', 'missing', 'n']), ['value', false, '42'], 'mget');
same($client->expire('n', 100), true, 'expire');
same($client->ttl('n') > 90, true, 'ttl');
same($client->del('n', 'key'), 2, 'del');

// Hashes.
same($client->hMSet('h', ['a' => '1', 'ünï' => 'cödé']), true, 'hMSet');
same($client->hSet('h', 'b', '2'), 1, 'hSet');
same($client->hGetAll('h'), ['a' => '1', 'ünï' => 'cödé', 'b' => '2'], 'hGetAll');
same($client->hMGet('h', ['a', 'none']), ['a' => '1', 'none' => false], 'hMGet');
same($client->hIncrBy('h', 'a', 41), 42, 'hIncrBy');
same($client->hIncrByFloat('h', 'a', 0.5), 42.5, 'hIncrByFloat');
same($client->hDel('h', 'a', 'none'), 1, 'hDel');
same($client->hKeys('h'), ['ünï', 'b'], 'hKeys');
same($client->hExists('h', 'b'), true, 'hExists');
$cursor = null;
same($client->hScan('h', $cursor, 'b*'), ['b' => '2'], 'hScan');
same($client->type('h'), Redis::REDIS_HASH, 'type');
same($client->del('h'), 1, 'del of a hash');

// A large value.
$large = random_bytes(20_000_000);
same($client->set('large', $large), true, 'large');
same($client->get('large') === $large, true, 'large');

// An error is of that command alone.
$client->set('text', 'x');
same($client->incr('text'), false, 'incr of a text');
same(str_contains($client->getLastError(), 'not an integer'), true, 'the last error');
same($client->ping(), true, 'ping');

// Pipelines, transactions and WATCH.
$pipeline = $client->pipeline();
for ($i = 0; $i < 1000; $i++) {
    $pipeline->set("p:$i", $i);
}
same($pipeline->exec(), array_fill(0, 1000, true), 'pipeline');
same($client->multi()->set('t', 1)->incr('t')->get('t')->exec(), [true, 2, '2'], 'transaction');
$other = new Redis();
$other->connect($socket);
$other->auth($password);
$client->watch('t');
$other->set('t', 10);
same($client->multi()->incr('t')->exec(), false, 'a watched key changed');
$client->watch('t');
same($client->multi()->incr('t')->exec(), [11], 'a watched key did not change');

// Scanning.
$client->setOption(Redis::OPT_SCAN, Redis::SCAN_RETRY);
$found = [];
$cursor = null;
while ($keys = $client->scan($cursor, 'p:*', 100)) {
    $found = array_merge($found, $keys);
}
same(count(array_unique($found)), 1000, 'scan');

// A read that takes too long is an exception, and the connection can be used anew.
$waiting = new Redis();
$waiting->connect($socket, 0, 1, null, 0, 0.2);
$waiting->auth($password);
fails(fn() => $waiting->rawCommand('WAIT', 1, 5000), '/read|timed out/i');

// After a restart it connects and authenticates by itself.
same(passthru($restart), null, 'restart');
$again = null;
for ($tries = 0; $tries < 100 && $again === null; $tries++) {
    try {
        $again = $client->get('t');
    } catch (RedisException $error) {
        usleep(20_000);
    }
}
same($again, '11', 'after a restart');

echo "all as expected\n";
