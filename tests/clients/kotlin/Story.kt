// The story of scripts/clients, by the generated Kotlin client. Every step that went well is a line.

import bridgework.apis.ConnectivityApi
import bridgework.apis.ContainersApi
import bridgework.apis.DiagnosticsApi
import bridgework.apis.NetworksApi
import bridgework.apis.ServiceApi
import bridgework.infrastructure.ApiClient
import bridgework.infrastructure.ClientError
import bridgework.infrastructure.ClientException
import bridgework.infrastructure.Serializer
import bridgework.infrastructure.Success
import bridgework.models.CheckDestination
import bridgework.models.CheckRequest
import bridgework.models.CheckResult
import bridgework.models.CheckSource
import bridgework.models.ContainerCreate
import bridgework.models.ContainerState
import bridgework.models.EndpointConnect
import bridgework.models.Event
import bridgework.models.IpamRequest
import bridgework.models.MatrixLine
import bridgework.models.MatrixRequest
import bridgework.models.Network
import bridgework.models.NetworkCreate
import bridgework.models.PoolRequest
import bridgework.models.Problem
import bridgework.models.Verdict
import java.io.IOException
import java.net.URI
import java.net.http.HttpClient
import java.net.http.HttpRequest
import java.net.http.HttpResponse
import java.util.stream.Stream
import kotlin.concurrent.thread
import kotlin.system.exitProcess

const val NAME = "story-kotlin"
val url: String = System.getenv("STORY_URL")
val token: String = System.getenv("STORY_TOKEN")
val networks = NetworksApi(url)
val containers = ContainersApi(url)
val connectivity = ConnectivityApi(url)
val diagnostics = DiagnosticsApi(url)

fun must(holds: Boolean, step: String) {
    check(holds) { "not so: $step" }
    println(step)
}

/** The status and the typed problem of a failure. */
fun problem(call: () -> Unit): Pair<Int, Problem> =
    try {
        call()
        error("it did not fail")
    } catch (failure: ClientException) {
        val body = (failure.response as ClientError<*>).body as String
        failure.statusCode to Serializer.gson.fromJson(body, Problem::class.java)
    }

fun callDirectly() {
    val caller = ServiceApi(System.getenv("STORY_DIRECT")).getCaller()
    must(caller.name == "admin", "a call without a proxy between is answered")
}

fun listByPages() {
    val names = mutableListOf<String>()
    var cursor: String? = null
    do {
        val page = networks.listNetworks(limit = 1, cursor = cursor)
        names += page.items.map { it.name }
        cursor = page.nextCursor
    } while (cursor != null)
    must(names == listOf("bridge", "host", "none"), "listed three networks by pages of one")
}

fun createWithKey(): Network {
    val body = NetworkCreate(name = NAME, labels = mapOf("team" to "edge"))
    // OkHttp sends a request again when the connection ends without an answer, unless it is a new connection.
    try {
        networks.createNetwork(body, idempotencyKey = NAME)
    } catch (_: IOException) {
    }
    val answer = networks.createNetworkWithHttpInfo(body, null, NAME)
    val made = (answer as Success<*>).data as Network
    val replayed = answer.headers["idempotent-replayed"] == listOf("true")
    must(replayed && made.labels["team"] == "edge", "created once, by a retry after a dropped answer")
    return made
}

fun failInTwoWays() {
    val (status, told) = problem { networks.createNetwork(NetworkCreate(name = NAME)) }
    must(status == 409 && told.code == "network-name-taken", "a conflict is a typed problem")
    val pools = IpamRequest(pools = listOf(PoolRequest(subnet = "10.77.0.1/24")))
    val (refused, faults) = problem { networks.createNetwork(NetworkCreate(name = "$NAME-2", ipam = pools)) }
    val fault = faults.errors?.first()
    must(refused == 422 && fault?.`in` == "body" && fault.pointer == "/ipam/pools/0/subnet", "a fault is pointed at")
}

fun dryRun() {
    val would = networks.createNetworkWithHttpInfo(NetworkCreate(name = "$NAME-2"), true, null)
    val told = would.headers["bridgework-dry-run"] == listOf("true")
    must(told && ((would as Success<*>).data as Network).id == null, "a dry run answers the network without an id")
}

fun runContainer(name: String, mode: String) {
    val command = listOf("sleep", "600")
    val made =
        containers.createContainer(
            ContainerCreate(image = "busybox", name = name, command = command, networkMode = mode),
        )
    must(made.id != null && made.state == ContainerState.RUNNING, "a container runs")
}

fun connect() {
    networks.disconnectContainer("none", "$NAME-b")
    val endpoint = networks.connectContainer(NAME, "$NAME-b", endpointConnect = EndpointConnect(aliases = listOf("web")))
    must(endpoint.network.name == NAME && "web" in endpoint.aliases, "a container is connected")
}

fun check(name: String): CheckResult =
    connectivity.checkConnectivity(
        CheckRequest(CheckSource(containerRef = "$NAME-a"), CheckDestination(name = name), timeoutMs = 500),
    )

fun checkTwoWays() {
    val good = check("$NAME-b")
    must(good.verdict == Verdict.REACHABLE && good.measured.rttMs != null, "a name is reached")
    val bad = check("absent")
    val known = diagnostics.listExplanations().items.any { it.code == bad.findings.first().code }
    must(bad.verdict == Verdict.UNREACHABLE && known, "an unknown name is explained")
}

/** Lines as they come, by java.net.http: generated methods read a whole answer. */
fun stream(method: String, path: String): Stream<String> {
    val body = Serializer.gson.toJson(MatrixRequest(network = NAME))
    val none = HttpRequest.BodyPublishers.noBody()
    val request =
        HttpRequest.newBuilder(URI.create(url + path))
            .header("Authorization", "Bearer $token")
            .header("Accept", "application/x-ndjson, text/event-stream")
            .header("Content-Type", "application/json")
            .method(method, if (method == "POST") HttpRequest.BodyPublishers.ofString(body) else none)
            .build()
    val http = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build()
    return http.send(request, HttpResponse.BodyHandlers.ofLines()).body()
}

fun measure() {
    val matrix = connectivity.measureMatrix(MatrixRequest(network = NAME))
    must(matrix.verdicts.first() == listOf("self", "reachable"), "a matrix has its rows")
    val lines = stream("POST", "/v1/connectivity/matrix").toList()
    val read = lines.map { Serializer.gson.fromJson(it, MatrixLine::class.java) }
    val whole = read.count { it.type == "row" } == 2 && read.last().type == "end"
    must(whole && read.last().summary?.reachable == 2L, "a matrix streams its rows")
}

fun follow() {
    val change = thread {
        Thread.sleep(500)
        networks.disconnectContainer(NAME, "$NAME-b")
    }
    stream("GET", "/v1/events?network=$NAME").use { lines ->
        val data = lines.filter { it.startsWith("data: ") }.findFirst().get()
        val event = Serializer.gson.fromJson(data.removePrefix("data: "), Event::class.java)
        must(event.action == "disconnect" && event.network?.name == NAME, "an event is typed")
    }
    change.join()
}

fun readAgain(made: Network) {
    val id = made.id!!
    val etag = networks.getNetworkWithHttpInfo(id, null).headers["etag"]!!.first()
    must(networks.getNetworkWithHttpInfo(id, etag).statusCode == 304, "nothing new is a 304")
}

fun tidyUp() {
    networks.deleteNetwork(NAME, force = true, dryRun = true)
    must(networks.listNetworks(name = listOf(NAME)).items.size == 1, "a dry run deletes nothing")
    for (one in listOf("$NAME-a", "$NAME-b")) {
        containers.deleteContainer(one, force = true)
    }
    networks.deleteNetwork(NAME)
    must(networks.listNetworks(name = listOf(NAME)).items.isEmpty(), "all is removed")
}

fun main() {
    ApiClient.accessToken = token
    callDirectly()
    listByPages()
    val network = createWithKey()
    failInTwoWays()
    dryRun()
    runContainer("$NAME-a", NAME)
    runContainer("$NAME-b", "none")
    connect()
    checkTwoWays()
    measure()
    follow()
    readAgain(network)
    tidyUp()
    exitProcess(0)
}
