<?php

// The story of scripts/clients, by the generated PHP client. Every step that went well is a line.

declare(strict_types=1);

use Bridgework\Api\ConnectivityApi;
use Bridgework\Api\ContainersApi;
use Bridgework\Api\DiagnosticsApi;
use Bridgework\Api\NetworksApi;
use Bridgework\Api\ServiceApi;
use Bridgework\ApiException;
use Bridgework\Configuration;
use Bridgework\Model\CheckDestination;
use Bridgework\Model\CheckRequest;
use Bridgework\Model\CheckResult;
use Bridgework\Model\CheckSource;
use Bridgework\Model\ContainerCreate;
use Bridgework\Model\EndpointConnect;
use Bridgework\Model\Event;
use Bridgework\Model\IpamRequest;
use Bridgework\Model\MatrixLine;
use Bridgework\Model\MatrixRequest;
use Bridgework\Model\Network;
use Bridgework\Model\NetworkCreate;
use Bridgework\Model\PoolRequest;
use Bridgework\Model\Problem;
use Bridgework\Model\Verdict;
use Bridgework\ObjectSerializer;
use GuzzleHttp\Client;
use GuzzleHttp\Psr7\Utils;

// Debian's Guzzle brings an autoloader of its own. With composer this is vendor/autoload.php.
require 'GuzzleHttp/autoload.php';
spl_autoload_register(static function (string $class): void {
    $file = getenv('STORY_CLIENT') . '/lib/' . strtr(substr($class, strlen('Bridgework\\')), '\\', '/') . '.php';
    if (str_starts_with($class, 'Bridgework\\') && is_file($file)) {
        require $file;
    }
});
// A notice or a deprecation in the generated code is a failure too.
set_error_handler(static function (int $level, string $text, string $file, int $line): never {
    throw new ErrorException($text, 0, $level, $file, $line);
});

const NAME = 'story-php';
$url = (string) getenv('STORY_URL');
$token = (string) getenv('STORY_TOKEN');
$configuration = (new Configuration())->setHost($url)->setAccessToken($token);
$http = new Client();
$networks = new NetworksApi($http, $configuration);
$containers = new ContainersApi($http, $configuration);
$connectivity = new ConnectivityApi($http, $configuration);
$diagnostics = new DiagnosticsApi($http, $configuration);

function call_directly(Client $http, string $token): void
{
    $configuration = (new Configuration())->setHost((string) getenv('STORY_DIRECT'))->setAccessToken($token);
    $caller = (new ServiceApi($http, $configuration))->getCaller();
    must($caller->getName() === 'admin', 'a call without a proxy between is answered');
}

function must(bool $holds, string $step): void
{
    if (!$holds) {
        throw new RuntimeException("not so: $step");
    }
    echo "$step\n";
}

/** The failure of a call that must fail. */
function failure(callable $call): ApiException
{
    try {
        $call();
    } catch (ApiException $error) {
        return $error;
    }
    throw new RuntimeException('it did not fail');
}

function problem(ApiException $error): Problem
{
    return $error->getResponseObject();
}

// Guzzle gives a response's headers with the names that the service sent.
function header_of(array $headers, string $name): ?string
{
    return array_change_key_case($headers)[strtolower($name)][0] ?? null;
}

function list_by_pages(NetworksApi $networks): void
{
    $names = [];
    $cursor = null;
    do {
        $page = $networks->listNetworks(limit: 1, cursor: $cursor);
        foreach ($page->getItems() as $network) {
            $names[] = $network->getName();
        }
        $cursor = $page->getNextCursor();
    } while ($cursor !== null);
    must($names === ['bridge', 'host', 'none'], 'listed three networks by pages of one');
}

function create_with_key(NetworksApi $networks): Network
{
    $body = new NetworkCreate(['name' => NAME, 'labels' => ['team' => 'edge']]);
    // libcurl itself sends a request again when a connection that it had kept is closed without an answer.
    [$made, , $headers] = $networks->createNetworkWithHttpInfo($body, idempotency_key: NAME);
    $replayed = header_of($headers, 'Idempotent-Replayed') === 'true';
    must($replayed && $made->getLabels()['team'] === 'edge', 'created once, by a retry after a dropped answer');
    return $made;
}

function fail_in_two_ways(NetworksApi $networks): void
{
    $error = failure(fn () => $networks->createNetwork(new NetworkCreate(['name' => NAME])));
    $typed = problem($error)->getCode() === 'network-name-taken';
    must($error->getCode() === 409 && $typed, 'a conflict is a typed problem');
    $ipam = new IpamRequest(['pools' => [new PoolRequest(['subnet' => '10.77.0.1/24'])]]);
    $bad = new NetworkCreate(['name' => NAME . '-2', 'ipam' => $ipam]);
    $refused = failure(fn () => $networks->createNetwork($bad));
    $fault = problem($refused)->getErrors()[0];
    $pointed = $fault->getIn() === 'body' && $fault->getPointer() === '/ipam/pools/0/subnet';
    must($refused->getCode() === 422 && $pointed, 'a fault is pointed at');
}

function dry_run(NetworksApi $networks): void
{
    $body = new NetworkCreate(['name' => NAME . '-2']);
    [$would, , $headers] = $networks->createNetworkWithHttpInfo($body, dry_run: true);
    $told = header_of($headers, 'Bridgework-Dry-Run') === 'true';
    must($told && $would->getId() === null, 'a dry run answers the network without an id');
}

function run_containers(ContainersApi $containers): void
{
    foreach ([NAME . '-a' => NAME, NAME . '-b' => 'none'] as $name => $mode) {
        $body = ['name' => $name, 'image' => 'busybox', 'command' => ['sleep', '600'], 'network_mode' => $mode];
        $made = $containers->createContainer(new ContainerCreate($body));
        must($made->getId() !== null && $made->getState() === 'running', 'a container runs');
    }
}

function connect(NetworksApi $networks): void
{
    $networks->disconnectContainer('none', NAME . '-b');
    $body = new EndpointConnect(['aliases' => ['web']]);
    $endpoint = $networks->connectContainer(NAME, NAME . '-b', endpoint_connect: $body);
    $joined = $endpoint->getNetwork()->getName() === NAME && in_array('web', $endpoint->getAliases(), true);
    must($joined, 'a container is connected');
}

function check(ConnectivityApi $connectivity, string $name): CheckResult
{
    return $connectivity->checkConnectivity(new CheckRequest([
        'source' => new CheckSource(['container' => NAME . '-a']),
        'destination' => new CheckDestination(['name' => $name]),
        'timeout_ms' => 500,
    ]));
}

function check_two_ways(ConnectivityApi $connectivity, DiagnosticsApi $diagnostics): void
{
    $good = check($connectivity, NAME . '-b');
    $reached = $good->getVerdict() === Verdict::REACHABLE && $good->getMeasured()->getRttMs() !== null;
    must($reached, 'a name is reached');
    $bad = check($connectivity, 'absent');
    $causes = array_map(fn ($explanation) => $explanation->getCode(), $diagnostics->listExplanations()->getItems());
    $known = in_array($bad->getFindings()[0]->getCode(), $causes, true);
    must($bad->getVerdict() === Verdict::UNREACHABLE && $known, 'an unknown name is explained');
}

/** Lines as they come, by Guzzle: generated methods read a whole answer. */
function stream(string $method, string $path, ?MatrixRequest $body = null): Generator
{
    global $http, $url, $token;
    $answer = $http->request($method, $url . $path, [
        'stream' => true,
        'headers' => ['Authorization' => "Bearer $token", 'Accept' => 'application/x-ndjson, text/event-stream'],
        'json' => $body === null ? null : ObjectSerializer::sanitizeForSerialization($body),
    ]);
    while (($line = Utils::readLine($answer->getBody())) !== '') {
        yield rtrim($line, "\n");
    }
}

function measure(ConnectivityApi $connectivity): void
{
    $body = new MatrixRequest(['network' => NAME]);
    $matrix = $connectivity->measureMatrix($body);
    must($matrix->getVerdicts()[0] === ['self', 'reachable'], 'a matrix has its rows');
    $rows = 0;
    foreach (stream('POST', '/v1/connectivity/matrix', $body) as $line) {
        $last = ObjectSerializer::deserialize($line, MatrixLine::class);
        $rows += (int) ($last->getType() === 'row');
    }
    $whole = $rows === 2 && $last->getType() === 'end' && $last->getSummary()->getReachable() === 2;
    must($whole, 'a matrix streams its rows');
}

function follow(): void
{
    // PHP has no threads: another process makes the change.
    $change = proc_open([PHP_BINARY, __FILE__, 'change'], [], $pipes);
    foreach (stream('GET', '/v1/events?network=' . NAME) as $line) {
        if (str_starts_with($line, 'data: ')) {
            $event = ObjectSerializer::deserialize(substr($line, strlen('data: ')), Event::class);
            $typed = $event->getAction() === 'disconnect' && $event->getNetwork()->getName() === NAME;
            must($typed, 'an event is typed');
            break;
        }
    }
    proc_close($change);
}

function read_again(NetworksApi $networks, Network $made): void
{
    [, , $headers] = $networks->getNetworkWithHttpInfo($made->getId());
    $etag = header_of($headers, 'ETag');
    $error = failure(fn () => $networks->getNetwork($made->getId(), if_none_match: $etag));
    must($error->getCode() === 304, 'nothing new is a 304');
}

function tidy_up(NetworksApi $networks, ContainersApi $containers): void
{
    $networks->deleteNetwork(NAME, force: true, dry_run: true);
    must(count($networks->listNetworks(name: [NAME])->getItems()) === 1, 'a dry run deletes nothing');
    foreach ([NAME . '-a', NAME . '-b'] as $name) {
        $containers->deleteContainer($name, force: true);
    }
    $networks->deleteNetwork(NAME);
    must($networks->listNetworks(name: [NAME])->getItems() === [], 'all is removed');
}

if (($argv[1] ?? '') === 'change') {
    usleep(500_000);
    $networks->disconnectContainer(NAME, NAME . '-b');
    exit;
}
call_directly($http, $token);
list_by_pages($networks);
$network = create_with_key($networks);
fail_in_two_ways($networks);
dry_run($networks);
run_containers($containers);
connect($networks);
check_two_ways($connectivity, $diagnostics);
measure($connectivity);
follow();
read_again($networks, $network);
tidy_up($networks, $containers);
