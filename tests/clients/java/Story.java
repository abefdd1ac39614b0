// The story of scripts/clients, by the generated Java client. Every step that went well is a line.

import bridgework.ApiClient;
import bridgework.ApiException;
import bridgework.ApiResponse;
import bridgework.api.ConnectivityApi;
import bridgework.api.ContainersApi;
import bridgework.api.DiagnosticsApi;
import bridgework.api.NetworksApi;
import bridgework.api.ServiceApi;
import bridgework.model.CheckDestination;
import bridgework.model.CheckRequest;
import bridgework.model.CheckResult;
import bridgework.model.CheckSource;
import bridgework.model.ConnectedEndpoint;
import bridgework.model.Container;
import bridgework.model.ContainerCreate;
import bridgework.model.ContainerState;
import bridgework.model.EndpointConnect;
import bridgework.model.Event;
import bridgework.model.Fault;
import bridgework.model.IpamRequest;
import bridgework.model.Matrix;
import bridgework.model.MatrixLine;
import bridgework.model.MatrixRequest;
import bridgework.model.Network;
import bridgework.model.NetworkCreate;
import bridgework.model.NetworkPage;
import bridgework.model.PoolRequest;
import bridgework.model.Problem;
import bridgework.model.Verdict;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;

public final class Story {
  private static final String URL = System.getenv("STORY_URL");
  private static final String TOKEN = System.getenv("STORY_TOKEN");
  private static final String NAME = "story-java";

  private final ApiClient client = new ApiClient();
  private final NetworksApi networks;
  private final ContainersApi containers;
  private final ConnectivityApi connectivity;
  private final DiagnosticsApi diagnostics;

  private Story() {
    client.updateBaseUri(URL);
    client.setRequestInterceptor(request -> request.header("Authorization", "Bearer " + TOKEN));
    networks = new NetworksApi(client);
    containers = new ContainersApi(client);
    connectivity = new ConnectivityApi(client);
    diagnostics = new DiagnosticsApi(client);
  }

  private interface Call {
    void run() throws ApiException;
  }

  private static void must(boolean holds, String step) {
    if (!holds) {
      throw new IllegalStateException("not so: " + step);
    }
    System.out.println(step);
  }

  private static ApiException failure(Call call) {
    try {
      call.run();
    } catch (ApiException error) {
      return error;
    }
    throw new IllegalStateException("it did not fail");
  }

  private Problem problem(ApiException error) throws IOException {
    return client.getObjectMapper().readValue(error.getResponseBody(), Problem.class);
  }

  private Network create(NetworkCreate body) throws ApiException {
    return networks.createNetwork(NetworksApi.APICreateNetworkRequest.newBuilder().networkCreate(body).build());
  }

  private void callDirectly() throws ApiException {
    ApiClient direct = new ApiClient();
    direct.updateBaseUri(System.getenv("STORY_DIRECT"));
    direct.setRequestInterceptor(request -> request.header("Authorization", "Bearer " + TOKEN));
    String caller =
        new ServiceApi(direct).getCaller(ServiceApi.APIGetCallerRequest.newBuilder().build()).getName();
    must(caller.equals("admin"), "a call without a proxy between is answered");
  }

  private void listByPages() throws ApiException {
    List<String> names = new ArrayList<>();
    String cursor = null;
    do {
      NetworkPage page =
          networks.listNetworks(NetworksApi.APIListNetworksRequest.newBuilder().limit(1).cursor(cursor).build());
      page.getItems().forEach(network -> names.add(network.getName()));
      cursor = page.getNextCursor();
    } while (cursor != null);
    must(names.equals(List.of("bridge", "host", "none")), "listed three networks by pages of one");
  }

  private Network createWithKey() throws ApiException {
    NetworkCreate body = new NetworkCreate().name(NAME).labels(Map.of("team", "edge"));
    NetworksApi.APICreateNetworkRequest request =
        NetworksApi.APICreateNetworkRequest.newBuilder().networkCreate(body).idempotencyKey(NAME).build();
    ApiException dropped = failure(() -> networks.createNetwork(request));
    if (dropped.getCode() != 0) {
      throw new IllegalStateException("the answer was not dropped");
    }
    ApiResponse<Network> answer = networks.createNetworkWithHttpInfo(request);
    boolean replayed = answer.getHeaders().get("idempotent-replayed").equals(List.of("true"));
    Network made = answer.getData();
    must(replayed && made.getLabels().get("team").equals("edge"), "created once, by a retry after a dropped answer");
    return made;
  }

  private void failInTwoWays() throws IOException {
    ApiException error = failure(() -> create(new NetworkCreate().name(NAME)));
    must(
        error.getCode() == 409 && problem(error).getCode().equals("network-name-taken"),
        "a conflict is a typed problem");
    IpamRequest ipam = new IpamRequest().addPoolsItem(new PoolRequest().subnet("10.77.0.1/24"));
    ApiException refused = failure(() -> create(new NetworkCreate().name(NAME + "-2").ipam(ipam)));
    Fault fault = problem(refused).getErrors().get(0);
    boolean pointed = fault.getIn().equals("body") && fault.getPointer().equals("/ipam/pools/0/subnet");
    must(refused.getCode() == 422 && pointed, "a fault is pointed at");
  }

  private void dryRun() throws ApiException {
    NetworkCreate body = new NetworkCreate().name(NAME + "-2");
    ApiResponse<Network> would =
        networks.createNetworkWithHttpInfo(
            NetworksApi.APICreateNetworkRequest.newBuilder().networkCreate(body).dryRun(true).build());
    boolean told = would.getHeaders().get("bridgework-dry-run").equals(List.of("true"));
    must(told && would.getData().getId() == null, "a dry run answers the network without an id");
  }

  private void runContainer(String name, String mode) throws ApiException {
    ContainerCreate body =
        new ContainerCreate().name(name).image("busybox").command(List.of("sleep", "600")).networkMode(mode);
    Container made =
        containers.createContainer(ContainersApi.APICreateContainerRequest.newBuilder().containerCreate(body).build());
    must(made.getId() != null && made.getState() == ContainerState.RUNNING, "a container runs");
  }

  private void disconnect(String network) throws ApiException {
    networks.disconnectContainer(
        NetworksApi.APIDisconnectContainerRequest.newBuilder().network(network).container(NAME + "-b").build());
  }

  private void connect() throws ApiException {
    disconnect("none");
    ConnectedEndpoint endpoint =
        networks.connectContainer(
            NetworksApi.APIConnectContainerRequest.newBuilder()
                .network(NAME)
                .container(NAME + "-b")
                .endpointConnect(new EndpointConnect().addAliasesItem("web"))
                .build());
    boolean joined = endpoint.getNetwork().getName().equals(NAME) && endpoint.getAliases().contains("web");
    must(joined, "a container is connected");
  }

  private CheckResult check(CheckDestination destination) throws ApiException {
    CheckRequest body =
        new CheckRequest()
            .source(new CheckSource().container(NAME + "-a"))
            .destination(destination)
            .timeoutMs(500);
    return connectivity.checkConnectivity(
        ConnectivityApi.APICheckConnectivityRequest.newBuilder().checkRequest(body).build());
  }

  private void checkTwoWays() throws ApiException {
    CheckResult good = check(new CheckDestination().name(NAME + "-b"));
    must(good.getVerdict() == Verdict.REACHABLE && good.getMeasured().getRttMs() != null, "a name is reached");
    CheckResult bad = check(new CheckDestination().name("absent"));
    String code = bad.getFindings().get(0).getCode();
    boolean known =
        diagnostics.listExplanations(DiagnosticsApi.APIListExplanationsRequest.newBuilder().build()).getItems().stream()
            .anyMatch(explanation -> explanation.getCode().equals(code));
    must(bad.getVerdict() == Verdict.UNREACHABLE && known, "an unknown name is explained");
  }

  private void measure() throws ApiException, IOException, InterruptedException {
    MatrixRequest body = new MatrixRequest().network(NAME);
    Matrix matrix =
        connectivity.measureMatrix(ConnectivityApi.APIMeasureMatrixRequest.newBuilder().matrixRequest(body).build());
    must(matrix.getVerdicts().get(0).equals(List.of("self", "reachable")), "a matrix has its rows");
    int rows = 0;
    MatrixLine last = new MatrixLine();
    try (Stream<String> lines = stream("POST", "/v1/connectivity/matrix")) {
      for (Iterator<String> each = lines.iterator(); each.hasNext(); ) {
        last = client.getObjectMapper().readValue(each.next(), MatrixLine.class);
        rows += last.getType().equals("row") ? 1 : 0;
      }
    }
    boolean whole = rows == 2 && last.getType().equals("end") && last.getSummary().getReachable() == 2;
    must(whole, "a matrix streams its rows");
  }

  /** Lines as they come, by java.net.http: generated methods read a whole answer. */
  private Stream<String> stream(String method, String path) throws IOException, InterruptedException {
    HttpRequest.BodyPublisher body = HttpRequest.BodyPublishers.noBody();
    if (method.equals("POST")) {
      String text = client.getObjectMapper().writeValueAsString(new MatrixRequest().network(NAME));
      body = HttpRequest.BodyPublishers.ofString(text);
    }
    HttpRequest request =
        HttpRequest.newBuilder(URI.create(URL + path))
            .header("Authorization", "Bearer " + TOKEN)
            .header("Accept", "application/x-ndjson, text/event-stream")
            .header("Content-Type", "application/json")
            .method(method, body)
            .build();
    HttpClient http = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();
    return http.send(request, HttpResponse.BodyHandlers.ofLines()).body();
  }

  private void follow() throws IOException, InterruptedException {
    CompletableFuture<Void> change =
        CompletableFuture.runAsync(
            () -> {
              try {
                disconnect(NAME);
              } catch (ApiException error) {
                throw new IllegalStateException(error);
              }
            },
            CompletableFuture.delayedExecutor(500, TimeUnit.MILLISECONDS));
    try (Stream<String> lines = stream("GET", "/v1/events?network=" + NAME)) {
      String data = lines.filter(line -> line.startsWith("data: ")).findFirst().orElseThrow();
      Event event = client.getObjectMapper().readValue(data.substring("data: ".length()), Event.class);
      must(event.getAction().equals("disconnect") && event.getNetwork().getName().equals(NAME), "an event is typed");
    }
    change.join();
  }

  private void readAgain(Network made) throws ApiException {
    NetworksApi.APIGetNetworkRequest.Builder request = NetworksApi.APIGetNetworkRequest.newBuilder().network(made.getId());
    String etag = networks.getNetworkWithHttpInfo(request.build()).getHeaders().get("etag").get(0);
    ApiException error = failure(() -> networks.getNetwork(request.ifNoneMatch(etag).build()));
    must(error.getCode() == 304, "nothing new is a 304");
  }

  private List<Network> named() throws ApiException {
    return networks
        .listNetworks(NetworksApi.APIListNetworksRequest.newBuilder().name(List.of(NAME)).build())
        .getItems();
  }

  private void tidyUp() throws ApiException {
    NetworksApi.APIDeleteNetworkRequest.Builder request =
        NetworksApi.APIDeleteNetworkRequest.newBuilder().network(NAME).force(true);
    networks.deleteNetwork(request.dryRun(true).build());
    must(named().size() == 1, "a dry run deletes nothing");
    for (String name : List.of(NAME + "-a", NAME + "-b")) {
      containers.deleteContainer(
          ContainersApi.APIDeleteContainerRequest.newBuilder().container(name).force(true).build());
    }
    networks.deleteNetwork(request.dryRun(false).build());
    must(named().isEmpty(), "all is removed");
  }

  public static void main(String[] arguments) throws ApiException, IOException, InterruptedException {
    Story story = new Story();
    story.callDirectly();
    story.listByPages();
    Network network = story.createWithKey();
    story.failInTwoWays();
    story.dryRun();
    story.runContainer(NAME + "-a", NAME);
    story.runContainer(NAME + "-b", "none");
    story.connect();
    story.checkTwoWays();
    story.measure();
    story.follow();
    story.readAgain(network);
    story.tidyUp();
    System.exit(0);
  }
}
