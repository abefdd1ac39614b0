// The story of scripts/clients, by the generated Go client. Every step that went well is a line.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	bridgework "github.com/example/bridgework"
)

const name = "story-go"

var (
	url    = os.Getenv("STORY_URL")
	token  = os.Getenv("STORY_TOKEN")
	ctx    = context.WithValue(context.Background(), bridgework.ContextAccessToken, token)
	client = newClient(url)
)

func newClient(url string) *bridgework.APIClient {
	configuration := bridgework.NewConfiguration()
	configuration.Servers = bridgework.ServerConfigurations{{URL: url}}
	return bridgework.NewAPIClient(configuration)
}

func must(holds bool, step string) {
	if !holds {
		fmt.Fprintln(os.Stderr, "not so:", step)
		os.Exit(1)
	}
	fmt.Println(step)
}

func need(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// problem is the typed problem document of a failure.
func problem(err error) bridgework.Problem {
	var failure *bridgework.GenericOpenAPIError
	if errors.As(err, &failure) {
		if found, ok := failure.Model().(bridgework.Problem); ok {
			return found
		}
	}
	need(fmt.Errorf("not a problem: %w", err))
	return bridgework.Problem{}
}

func callDirectly() {
	caller, _, err := newClient(os.Getenv("STORY_DIRECT")).ServiceAPI.GetCaller(ctx).Execute()
	need(err)
	must(caller.Name == "admin", "a call without a proxy between is answered")
}

func listByPages() {
	var names []string
	call := client.NetworksAPI.ListNetworks(ctx).Limit(1)
	for {
		page, _, err := call.Execute()
		need(err)
		for _, network := range page.Items {
			names = append(names, network.Name)
		}
		cursor, more := page.GetNextCursorOk()
		if !more || cursor == nil {
			break
		}
		call = call.Cursor(*cursor)
	}
	must(slices.Equal(names, []string{"bridge", "host", "none"}), "listed three networks by pages of one")
}

func createWithKey() *bridgework.Network {
	body := bridgework.NewNetworkCreate(name)
	body.SetLabels(map[string]string{"team": "edge"})
	call := client.NetworksAPI.CreateNetwork(ctx).NetworkCreate(*body).IdempotencyKey(name)
	// net/http itself sends a request again when its answer was dropped and it has an Idempotency-Key.
	made, response, err := call.Execute()
	need(err)
	replayed := response.Header.Get("Idempotent-Replayed") == "true"
	must(replayed && made.Labels["team"] == "edge", "created once, by a retry after a dropped answer")
	return made
}

func failInTwoWays() {
	_, response, err := client.NetworksAPI.CreateNetwork(ctx).NetworkCreate(*bridgework.NewNetworkCreate(name)).Execute()
	must(response.StatusCode == 409 && problem(err).Code == "network-name-taken", "a conflict is a typed problem")
	bad := bridgework.NewNetworkCreate(name + "-2")
	bad.SetIpam(bridgework.IpamRequest{Pools: []bridgework.PoolRequest{*bridgework.NewPoolRequest("10.77.0.1/24")}})
	_, response, err = client.NetworksAPI.CreateNetwork(ctx).NetworkCreate(*bad).Execute()
	fault := problem(err).Errors[0]
	pointed := fault.In == "body" && fault.GetPointer() == "/ipam/pools/0/subnet"
	must(response.StatusCode == 422 && pointed, "a fault is pointed at")
}

func dryRun() {
	body := bridgework.NewNetworkCreate(name + "-2")
	would, response, err := client.NetworksAPI.CreateNetwork(ctx).NetworkCreate(*body).DryRun(true).Execute()
	need(err)
	told := response.Header.Get("Bridgework-Dry-Run") == "true"
	must(told && would.Id.Get() == nil, "a dry run answers the network without an id")
}

func runContainers() {
	for _, one := range []struct{ name, mode string }{{name + "-a", name}, {name + "-b", "none"}} {
		body := bridgework.NewContainerCreate("busybox")
		body.SetName(one.name)
		body.SetCommand([]string{"sleep", "600"})
		body.SetNetworkMode(one.mode)
		made, _, err := client.ContainersAPI.CreateContainer(ctx).ContainerCreate(*body).Execute()
		need(err)
		must(made.Id.Get() != nil && made.State == "running", "a container runs")
	}
}

func connect() {
	_, err := client.NetworksAPI.DisconnectContainer(ctx, "none", name+"-b").Execute()
	need(err)
	body := bridgework.NewEndpointConnect()
	body.SetAliases([]string{"web"})
	endpoint, _, err := client.NetworksAPI.ConnectContainer(ctx, name, name+"-b").EndpointConnect(*body).Execute()
	need(err)
	joined := endpoint.Network.Name == name && slices.Contains(endpoint.Aliases, "web")
	must(joined, "a container is connected")
}

func check(destination bridgework.CheckDestination) *bridgework.CheckResult {
	source := bridgework.CheckSource{Container: bridgework.PtrString(name + "-a")}
	body := bridgework.NewCheckRequest(source, destination)
	body.SetTimeoutMs(500)
	result, _, err := client.ConnectivityAPI.CheckConnectivity(ctx).CheckRequest(*body).Execute()
	need(err)
	return result
}

func checkTwoWays() {
	good := check(bridgework.CheckDestination{Name: bridgework.PtrString(name + "-b")})
	must(good.Verdict == bridgework.VERDICT_REACHABLE && good.Measured.RttMs.IsSet(), "a name is reached")
	bad := check(bridgework.CheckDestination{Name: bridgework.PtrString("absent")})
	catalogue, _, err := client.DiagnosticsAPI.ListExplanations(ctx).Execute()
	need(err)
	known := slices.ContainsFunc(catalogue.Items, func(explanation bridgework.Explanation) bool {
		return explanation.Code == bad.Findings[0].Code
	})
	must(bad.Verdict == bridgework.VERDICT_UNREACHABLE && known, "an unknown name is explained")
}

func matrixRequest() bridgework.MatrixRequest {
	return bridgework.MatrixRequest{Network: bridgework.PtrString(name)}
}

func measure() {
	matrix, _, err := client.ConnectivityAPI.MeasureMatrix(ctx).MatrixRequest(matrixRequest()).Execute()
	need(err)
	must(slices.Equal(matrix.Verdicts[0], []string{"self", "reachable"}), "a matrix has its rows")
	rows, last := 0, bridgework.MatrixLine{}
	stream("POST", "/v1/connectivity/matrix", func(line string) bool {
		last = bridgework.MatrixLine{}
		need(json.Unmarshal([]byte(line), &last))
		if last.Type == "row" {
			rows++
		}
		return true
	})
	must(rows == 2 && last.Type == "end" && last.Summary.Reachable == 2, "a matrix streams its rows")
}

// stream gives lines as they come, by net/http: generated methods read a whole answer.
func stream(method, path string, next func(string) bool) {
	var body io.Reader
	if method == "POST" {
		sent, err := json.Marshal(matrixRequest())
		need(err)
		body = strings.NewReader(string(sent))
	}
	request, err := http.NewRequestWithContext(ctx, method, url+path, body)
	need(err)
	request.Header.Set("Authorization", "Bearer "+token)
	request.Header.Set("Accept", "application/x-ndjson, text/event-stream")
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	need(err)
	defer response.Body.Close()
	lines := bufio.NewScanner(response.Body)
	for lines.Scan() {
		if !next(lines.Text()) {
			return
		}
	}
}

func follow() {
	time.AfterFunc(500*time.Millisecond, func() {
		_, err := client.NetworksAPI.DisconnectContainer(ctx, name, name+"-b").Execute()
		need(err)
	})
	stream("GET", "/v1/events?network="+name, func(line string) bool {
		data, found := strings.CutPrefix(line, "data: ")
		if !found {
			return true
		}
		var event bridgework.Event
		need(json.Unmarshal([]byte(data), &event))
		must(event.GetAction() == "disconnect" && event.Network.Name == name, "an event is typed")
		return false
	})
}

func readAgain(made *bridgework.Network) {
	_, response, err := client.NetworksAPI.GetNetwork(ctx, *made.Id.Get()).Execute()
	need(err)
	etag := response.Header.Get("ETag")
	_, response, err = client.NetworksAPI.GetNetwork(ctx, *made.Id.Get()).IfNoneMatch(etag).Execute()
	must(err != nil && response.StatusCode == 304, "nothing new is a 304")
}

func tidyUp() {
	_, err := client.NetworksAPI.DeleteNetwork(ctx, name).Force(true).DryRun(true).Execute()
	need(err)
	page, _, err := client.NetworksAPI.ListNetworks(ctx).Name([]string{name}).Execute()
	need(err)
	must(len(page.Items) == 1, "a dry run deletes nothing")
	for _, one := range []string{name + "-a", name + "-b"} {
		_, err := client.ContainersAPI.DeleteContainer(ctx, one).Force(true).Execute()
		need(err)
	}
	_, err = client.NetworksAPI.DeleteNetwork(ctx, name).Execute()
	need(err)
	page, _, err = client.NetworksAPI.ListNetworks(ctx).Name([]string{name}).Execute()
	need(err)
	must(len(page.Items) == 0, "all is removed")
}

func main() {
	callDirectly()
	listByPages()
	network := createWithKey()
	failInTwoWays()
	dryRun()
	runContainers()
	connect()
	checkTwoWays()
	measure()
	follow()
	readAgain(network)
	tidyUp()
}
