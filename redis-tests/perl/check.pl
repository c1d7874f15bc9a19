# Perl's Redis against a server with a password: perl check.pl SOCKET PASSWORD RESTART
# RESTART is a command that restarts the server. Exits with 0 when everything is as it should be.
use strict;
use warnings;
use Redis;

my ($socket, $password, $restart) = @ARGV;

sub same {
    my ($actual, $expected, $what) = @_;
    $actual = '(none)' unless defined $actual;
    die "$what: " . substr($actual, 0, 200) . " instead of $expected\n" unless $actual eq $expected;
}

sub fails {
    my ($call, $pattern) = @_;
    return die "no error like $pattern\n" if eval { $call->(); 1 };
    die "the message '$@'\n" unless $@ =~ $pattern;
}

# Connect and authenticate: wrong passwords and missing ones are exceptions.
fails(sub { Redis->new(sock => $socket)->get('key') }, qr/NOAUTH/);
fails(sub { Redis->new(sock => $socket, password => 'wrong') }, qr/WRONGPASS|invalid/);
my @options = (sock => $socket, password => $password);
my $client = Redis->new(@options, reconnect => 10, every => 20_000);
$client->flushall;

# Strings and binary keys.
same($client->set(key => 'value'), 'OK', 'set');
same($client->get('key'), 'value', 'get');
same($client->get('missing'), '(none)', 'a missing key');
my $bytes = join '', map { chr } 0 .. 255;
$client->set("\0\xff\r\n" => $bytes);
same($client->get("\0\xff\r\n"), $bytes, 'binary');
same($client->incrby(n => 41), 41, 'incrby');
same($client->incr('n'), 42, 'incr');
same(join(',', map { $_ // '-' } $client->mget('key', 'missing', 'n')), 'value,-,42', 'mget');
same($client->expire(n => 100), 1, 'expire');
same($client->ttl('n') > 90, 1, 'ttl');
same($client->del('n', 'key'), 2, 'del');

# Hashes.
same($client->hmset(h => a => 1, b => 2), 'OK', 'hmset');
same($client->hset(h => "\0\xff" => $bytes), 1, 'hset');
my %all = $client->hgetall('h');
same(join(',', map { $_ eq "\0\xff" ? 'bytes' : $_ } sort keys %all), 'bytes,a,b', 'hgetall');
same($all{"\0\xff"}, $bytes, 'a binary field');
same(join(',', map { $_ // '-' } $client->hmget(h => 'a', 'none')), '1,-', 'hmget');
same($client->hincrby(h => a => 41), 42, 'hincrby');
same($client->hdel(h => 'a', 'none'), 1, 'hdel');
same($client->hlen('h'), 2, 'hlen');
same($client->type('h'), 'hash', 'type');
same($client->del('h'), 1, 'del of a hash');

# A large value.
my $large = join '', map { chr int rand 256 } 1 .. 4096;
$large x= 2000;
$client->set(large => $large);
same($client->get('large') eq $large, 1, 'large');

# An error is of that command alone.
$client->set(text => 'x');
fails(sub { $client->incr('text') }, qr/not an integer/);
same($client->ping, 'PONG', 'ping');

# Pipelines, transactions and WATCH.
my $done = 0;
$client->set("p:$_" => $_, sub { $done++ if $_[0] eq 'OK' }) for 1 .. 1000;
$client->wait_all_responses;
same($done, 1000, 'pipeline');
$client->multi;
$client->set(t => 1);
$client->incr('t');
same(join(',', $client->exec), 'OK,2', 'transaction');
my $other = Redis->new(@options);
$client->watch('t');
$other->set(t => 10);
$client->multi;
$client->incr('t');
same(scalar(grep { defined } $client->exec), 0, 'a watched key changed');
my ($cursor, %found) = (0);
do {
    ($cursor, my $keys) = $client->scan($cursor, MATCH => 'p:*', COUNT => 100);
    $found{$_} = 1 for @$keys;
} while $cursor;
same(scalar(keys %found), 1000, 'scan');

# A read that takes too long is an exception.
fails(sub { Redis->new(@options, read_timeout => 0.2)->wait(1, 5000) }, qr/./);

# Messages.
my @heard;
my $listener = Redis->new(@options);
$listener->subscribe('news', sub { push @heard, "$_[1]: $_[0]" });
same($client->publish(news => 'first'), 1, 'publish');
$listener->wait_for_messages(1) until @heard;
same($heard[0], 'news: first', 'messages');

# After a restart it connects and authenticates by itself.
system($restart) == 0 or die "restart\n";
same($client->get('t'), 10, 'after a restart');
print "all as expected\n";
