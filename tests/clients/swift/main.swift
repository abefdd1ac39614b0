// The story of scripts/clients, by the generated Swift client. Every step that went well is a line.

import Bridgework
import Foundation
#if canImport(FoundationNetworking)
import FoundationNetworking
#endif

let name = "story-swift"
let environment = ProcessInfo.processInfo.environment
let url = environment["STORY_URL"] ?? ""
let headers = ["Authorization": "Bearer \(environment["STORY_TOKEN"] ?? "")"]
BridgeworkAPIConfiguration.shared.basePath = url
BridgeworkAPIConfiguration.shared.customHeaders = headers
BridgeworkAPIConfiguration.shared.apiResponseQueue = DispatchQueue(label: "answers")

func must(_ holds: Bool, _ step: String) {
    guard holds else { fatalError("not so: \(step)") }
    print(step)
}

/// The status of a failure, and its body.
func failure<T>(_ call: () async throws -> T) async throws -> (Int, Data) {
    do {
        _ = try await call()
    } catch let ErrorResponse.error(status, body, _, _) {
        return (status, body ?? Data())
    }
    fatalError("it did not fail")
}

func decoded<T: Decodable>(_ kind: T.Type, _ data: Data) throws -> T {
    try CodableHelper().decode(kind, from: data).get()
}

func create(_ body: NetworkCreate, dryRun: Bool? = nil, key: String? = nil) async throws -> Response<Network> {
    try await NetworksAPI.createNetworkWithRequestBuilder(networkCreate: body, dryRun: dryRun, idempotencyKey: key)
        .execute()
}

func callDirectly() async throws {
    let direct = BridgeworkAPIConfiguration(basePath: environment["STORY_DIRECT"] ?? "", customHeaders: headers)
    direct.apiResponseQueue = DispatchQueue(label: "direct")
    let caller = try await ServiceAPI.getCaller(apiConfiguration: direct)
    must(caller.name == "admin", "a call without a proxy between is answered")
}

func listByPages() async throws {
    var names: [String] = []
    var cursor: String?
    repeat {
        let page = try await NetworksAPI.listNetworks(limit: 1, cursor: cursor)
        names += page.items.map(\.name)
        cursor = page.nextCursor
    } while cursor != nil
    must(names == ["bridge", "host", "none"], "listed three networks by pages of one")
}

func createWithKey() async throws -> Network {
    let body = NetworkCreate(name: name, labels: ["team": "edge"])
    // Foundation may send the request again by itself when the connection ends without an answer.
    _ = try? await create(body, key: name)
    let answer = try await create(body, key: name)
    let replayed = answer.header.first { $0.key.lowercased() == "idempotent-replayed" }?.value == "true"
    must(replayed && answer.body.labels["team"] == "edge", "created once, by a retry after a dropped answer")
    return answer.body
}

func failInTwoWays() async throws {
    let (status, body) = try await failure { try await create(NetworkCreate(name: name)) }
    let told = try decoded(Problem.self, body)
    must(status == 409 && told.code == "network-name-taken", "a conflict is a typed problem")
    let pools = IpamRequest(pools: [PoolRequest(subnet: "10.77.0.1/24")])
    let (refused, faults) = try await failure { try await create(NetworkCreate(name: "\(name)-2", ipam: pools)) }
    let fault = try decoded(Problem.self, faults).errors?.first
    must(refused == 422 && fault?._in == "body" && fault?.pointer == "/ipam/pools/0/subnet", "a fault is pointed at")
}

func dryRun() async throws {
    let would = try await create(NetworkCreate(name: "\(name)-2"), dryRun: true)
    let told = would.header.first { $0.key.lowercased() == "bridgework-dry-run" }?.value == "true"
    must(told && would.body.id == nil, "a dry run answers the network without an id")
}

func runContainer(_ one: String, _ mode: String) async throws {
    let body = ContainerCreate(name: one, image: "busybox", command: ["sleep", "600"], networkMode: mode)
    let made = try await ContainersAPI.createContainer(containerCreate: body)
    must(made.id != nil && made.state == .running, "a container runs")
}

func connect() async throws {
    try await NetworksAPI.disconnectContainer(network: "none", container: "\(name)-b")
    let body = EndpointConnect(aliases: ["web"])
    let endpoint = try await NetworksAPI.connectContainer(network: name, container: "\(name)-b", endpointConnect: body)
    must(endpoint.network.name == name && endpoint.aliases.contains("web"), "a container is connected")
}

func check(_ destination: String) async throws -> CheckResult {
    let source = CheckSource(containerRef: "\(name)-a")
    let body = CheckRequest(source: source, destination: CheckDestination(name: destination), timeoutMs: 500)
    return try await ConnectivityAPI.checkConnectivity(checkRequest: body)
}

func checkTwoWays() async throws {
    let good = try await check("\(name)-b")
    must(good.verdict == .reachable && good.measured.rttMs != nil, "a name is reached")
    let bad = try await check("absent")
    let causes = try await DiagnosticsAPI.listExplanations().items.map(\.code)
    must(bad.verdict == .unreachable && causes.contains(bad.findings[0].code), "an unknown name is explained")
}

/// Receives an answer line by line; generated methods read a whole answer.
final class Lines: NSObject, URLSessionDataDelegate, @unchecked Sendable {
    private var rest = Data()
    private let each: AsyncThrowingStream<Data, Error>.Continuation

    init(_ each: AsyncThrowingStream<Data, Error>.Continuation) { self.each = each }

    func urlSession(_: URLSession, dataTask _: URLSessionDataTask, didReceive data: Data) {
        rest.append(data)
        while let end = rest.firstIndex(of: UInt8(ascii: "\n")) {
            each.yield(Data(rest[rest.startIndex..<end]))
            rest = Data(rest[rest.index(after: end)...])
        }
    }

    func urlSession(_: URLSession, task _: URLSessionTask, didCompleteWithError error: Error?) {
        each.finish(throwing: error)
    }
}

func stream(_ method: String, _ path: String) throws -> AsyncThrowingStream<Data, Error> {
    var request = URLRequest(url: URL(string: url + path)!)
    request.httpMethod = method
    request.allHTTPHeaderFields = headers
    request.setValue("application/x-ndjson, text/event-stream", forHTTPHeaderField: "Accept")
    if method == "POST" {
        request.setValue("application/json", forHTTPHeaderField: "Content-Type")
        request.httpBody = try JSONEncoder().encode(MatrixRequest(network: name))
    }
    let sent = request
    return AsyncThrowingStream { each in
        URLSession(configuration: .default, delegate: Lines(each), delegateQueue: nil).dataTask(with: sent).resume()
    }
}

func measure() async throws {
    let matrix = try await ConnectivityAPI.measureMatrix(matrixRequest: MatrixRequest(network: name))
    must(matrix.verdicts[0] == ["self", "reachable"], "a matrix has its rows")
    var lines: [MatrixLine] = []
    for try await line in try stream("POST", "/v1/connectivity/matrix") {
        lines.append(try decoded(MatrixLine.self, line))
    }
    let rows = lines.filter { $0.type == "row" }.count
    must(rows == 2 && lines.last?.type == "end" && lines.last?.summary?.reachable == 2, "a matrix streams its rows")
}

func follow() async throws {
    async let change: Void = {
        try await Task.sleep(nanoseconds: 500_000_000)
        try await NetworksAPI.disconnectContainer(network: name, container: "\(name)-b")
    }()
    for try await line in try stream("GET", "/v1/events?network=\(name)") {
        let text = String(decoding: line, as: UTF8.self)
        guard text.hasPrefix("data: ") else { continue }
        let event = try decoded(Event.self, Data(text.dropFirst("data: ".count).utf8))
        must(event.action == "disconnect" && event.network?.name == name, "an event is typed")
        break
    }
    try await change
}

func readAgain(_ made: Network) async throws {
    let first = try await NetworksAPI.getNetworkWithRequestBuilder(network: made.id ?? "").execute()
    let etag = first.header.first { $0.key.lowercased() == "etag" }?.value
    let (status, _) = try await failure {
        try await NetworksAPI.getNetwork(network: made.id ?? "", ifNoneMatch: etag)
    }
    must(status == 304, "nothing new is a 304")
}

func tidyUp() async throws {
    try await NetworksAPI.deleteNetwork(network: name, force: true, dryRun: true)
    must(try await NetworksAPI.listNetworks(name: [name]).items.count == 1, "a dry run deletes nothing")
    for one in ["\(name)-a", "\(name)-b"] {
        try await ContainersAPI.deleteContainer(container: one, force: true)
    }
    try await NetworksAPI.deleteNetwork(network: name)
    must(try await NetworksAPI.listNetworks(name: [name]).items.isEmpty, "all is removed")
}

try await callDirectly()
try await listByPages()
let network = try await createWithKey()
try await failInTwoWays()
try await dryRun()
try await runContainer("\(name)-a", name)
try await runContainer("\(name)-b", "none")
try await connect()
try await checkTwoWays()
try await measure()
try await follow()
try await readAgain(network)
try await tidyUp()
exit(0)
