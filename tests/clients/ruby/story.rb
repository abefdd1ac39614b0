# frozen_string_literal: true

# The story of scripts/clients, by the generated Ruby client. Every step that went well is a line.

require 'json'
require 'net/http'
require 'bridgework_client'

$stdout.sync = true
URL = ENV.fetch('STORY_URL')
TOKEN = ENV.fetch('STORY_TOKEN')
NAME = 'story-ruby'

def client_of(url)
  configuration = BridgeworkClient::Configuration.new do |given|
    given.scheme = 'http'
    given.host = url.delete_prefix('http://')
    given.access_token = TOKEN
    # A list in a query is sent as name=a&name=b. Faraday's own default is name[]=a&name[]=b.
    given.params_encoder = Faraday::FlatParamsEncoder
  end
  BridgeworkClient::ApiClient.new(configuration)
end

CLIENT = client_of(URL)
NETWORKS = BridgeworkClient::NetworksApi.new(CLIENT)
CONTAINERS = BridgeworkClient::ContainersApi.new(CLIENT)
CONNECTIVITY = BridgeworkClient::ConnectivityApi.new(CLIENT)
DIAGNOSTICS = BridgeworkClient::DiagnosticsApi.new(CLIENT)

def must(holds, step)
  abort "not so: #{step}" unless holds
  puts step
end

# The failure of a call that must fail.
def failure
  yield
rescue BridgeworkClient::ApiError => e
  e
else
  abort 'it did not fail'
end

def problem(error)
  BridgeworkClient::Problem.build_from_hash(JSON.parse(error.response_body, symbolize_names: true))
end

def call_directly
  caller = BridgeworkClient::ServiceApi.new(client_of(ENV.fetch('STORY_DIRECT'))).get_caller
  must(caller.name == 'admin', 'a call without a proxy between is answered')
end

def list_by_pages
  names = []
  cursor = nil
  loop do
    page = NETWORKS.list_networks({ limit: 1, cursor: cursor }.compact)
    names.concat(page.items.map(&:name))
    cursor = page.next_cursor
    break if cursor.nil?
  end
  must(names == %w[bridge host none], 'listed three networks by pages of one')
end

def create_with_key
  body = BridgeworkClient::NetworkCreate.new(name: NAME, labels: { 'team' => 'edge' })
  dropped = failure { NETWORKS.create_network(body, idempotency_key: NAME) }
  made, _, headers = NETWORKS.create_network_with_http_info(body, idempotency_key: NAME)
  replayed = dropped.code.nil? && headers['Idempotent-Replayed'] == 'true'
  must(replayed && made.labels['team'] == 'edge', 'created once, by a retry after a dropped answer')
  made
end

def fail_in_two_ways
  error = failure { NETWORKS.create_network(BridgeworkClient::NetworkCreate.new(name: NAME)) }
  must(error.code == 409 && problem(error).code == 'network-name-taken', 'a conflict is a typed problem')
  pool = BridgeworkClient::PoolRequest.new(subnet: '10.77.0.1/24')
  ipam = BridgeworkClient::IpamRequest.new(pools: [pool])
  refused = failure { NETWORKS.create_network(BridgeworkClient::NetworkCreate.new(name: "#{NAME}-2", ipam: ipam)) }
  fault = problem(refused).errors.first
  pointed = fault._in == 'body' && fault.pointer == '/ipam/pools/0/subnet'
  must(refused.code == 422 && pointed, 'a fault is pointed at')
end

def dry_run
  body = BridgeworkClient::NetworkCreate.new(name: "#{NAME}-2")
  would, _, headers = NETWORKS.create_network_with_http_info(body, dry_run: true)
  must(headers['Bridgework-Dry-Run'] == 'true' && would.id.nil?, 'a dry run answers the network without an id')
end

def run_container(name, mode)
  body = BridgeworkClient::ContainerCreate.new(name: name, image: 'busybox', command: %w[sleep 600], network_mode: mode)
  made = CONTAINERS.create_container(body)
  must(!made.id.nil? && made.state == 'running', 'a container runs')
end

def connect
  NETWORKS.disconnect_container('none', "#{NAME}-b")
  body = BridgeworkClient::EndpointConnect.new(aliases: ['web'])
  endpoint = NETWORKS.connect_container(NAME, "#{NAME}-b", endpoint_connect: body)
  must(endpoint.network.name == NAME && endpoint.aliases.include?('web'), 'a container is connected')
end

def check(name)
  source = BridgeworkClient::CheckSource.new(container: "#{NAME}-a")
  destination = BridgeworkClient::CheckDestination.new(name: name)
  body = BridgeworkClient::CheckRequest.new(source: source, destination: destination, timeout_ms: 500)
  CONNECTIVITY.check_connectivity(body)
end

def check_two_ways
  good = check("#{NAME}-b")
  reached = good.verdict == BridgeworkClient::Verdict::REACHABLE && !good.measured.rtt_ms.nil?
  must(reached, 'a name is reached')
  bad = check('absent')
  known = DIAGNOSTICS.list_explanations.items.map(&:code).include?(bad.findings.first.code)
  must(bad.verdict == BridgeworkClient::Verdict::UNREACHABLE && known, 'an unknown name is explained')
end

# Lines as they come, by net/http: generated methods read a whole answer.
def stream(request)
  request['Authorization'] = "Bearer #{TOKEN}"
  request['Accept'] = 'application/x-ndjson, text/event-stream'
  Net::HTTP.start(URI(URL).host, URI(URL).port) do |http|
    rest = +''
    http.request(request) do |answer|
      answer.read_body do |chunk|
        *lines, rest = (rest + chunk).split("\n", -1)
        lines.each { |line| yield line }
      end
    end
  end
end

def typed(model, text)
  model.build_from_hash(JSON.parse(text, symbolize_names: true))
end

def measure
  body = BridgeworkClient::MatrixRequest.new(network: NAME)
  matrix = CONNECTIVITY.measure_matrix(body)
  must(matrix.verdicts.first == %w[self reachable], 'a matrix has its rows')
  request = Net::HTTP::Post.new('/v1/connectivity/matrix', 'Content-Type' => 'application/json')
  request.body = body.to_hash.to_json
  lines = []
  stream(request) { |line| lines << typed(BridgeworkClient::MatrixLine, line) }
  rows = lines.count { |line| line.type == 'row' }
  whole = rows == 2 && lines.last.type == 'end' && lines.last.summary.reachable == 2
  must(whole, 'a matrix streams its rows')
end

def follow
  change = Thread.new do
    sleep 0.5
    NETWORKS.disconnect_container(NAME, "#{NAME}-b")
  end
  event = catch(:event) do
    stream(Net::HTTP::Get.new("/v1/events?network=#{NAME}")) do |line|
      throw :event, typed(BridgeworkClient::Event, line.delete_prefix('data: ')) if line.start_with?('data: ')
    end
  end
  must(event.action == 'disconnect' && event.network.name == NAME, 'an event is typed')
  change.join
end

def read_again(made)
  _, _, headers = NETWORKS.get_network_with_http_info(made.id)
  error = failure { NETWORKS.get_network(made.id, if_none_match: headers['ETag']) }
  must(error.code == 304, 'nothing new is a 304')
end

def tidy_up
  NETWORKS.delete_network(NAME, force: true, dry_run: true)
  must(NETWORKS.list_networks(name: [NAME]).items.length == 1, 'a dry run deletes nothing')
  %w[a b].each { |one| CONTAINERS.delete_container("#{NAME}-#{one}", force: true) }
  NETWORKS.delete_network(NAME)
  must(NETWORKS.list_networks(name: [NAME]).items.empty?, 'all is removed')
end

call_directly
list_by_pages
network = create_with_key
fail_in_two_ways
dry_run
run_container("#{NAME}-a", NAME)
run_container("#{NAME}-b", 'none')
connect
check_two_ways
measure
follow
read_again(network)
tidy_up
