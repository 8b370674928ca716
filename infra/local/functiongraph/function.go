package functiongraph

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"time"
)

// The documented limits of a function's definition ("Notes and Constraints" of FunctionGraph's user guide and its create API).
const (
	minTimeout      = 3 * time.Second
	maxTimeout      = 259200 * time.Second
	defaultMemory   = 512 // MB; this service's choice, the API asks for one
	maxVariables    = 20
	maxEnvironment  = 2 << 10 // bytes of names and values; error FSS.1018 says 2 KB, the API's page 4 KB: the smaller holds
	maxAsyncRetries = 3
	defaultMax      = 400 // instances
)

// Function is the definition of a function with the runtime "Custom".
type Function struct {
	Name      string
	Bootstrap string // path of the executable, whose name must be "bootstrap"
	// Env and UserData are the variables of the function's configuration. All of them are in RUNTIME_USERDATA; those of Env are
	// ordinary environment variables too, as the custom runtime's page says. UserData is for checking a function without that.
	Env      map[string]string
	UserData map[string]string
	Timeout  time.Duration // whole seconds, 3 s to 259200 s; 0 means 3 s
	MemoryMB int           // one of the documented sizes; 0 means 512
	// AsyncRetries is how often an asynchronous invocation that failed is tried again, 0 to 3. A function without an
	// asynchronous execution policy has 1 in the service; here it has what stands here.
	AsyncRetries int
	// MaxInstances is how many instances may run at a time, 0 means 400. An invocation beyond them is refused.
	MaxInstances int
}

func memorySizes() []int {
	return []int{128, 256, 512, 768, 1024, 1280, 1536, 1792, 2048, 2560, 3072, 3584, 4096, 8192, 10240}
}

// preset are the variables that FunctionGraph sets itself and users must not.
func preset() []string {
	return []string{
		"RUNTIME_PROJECT_ID", "RUNTIME_FUNC_NAME", "RUNTIME_FUNC_VERSION", "RUNTIME_PACKAGE", "RUNTIME_HANDLER", "RUNTIME_TIMEOUT",
		"RUNTIME_USERDATA", "RUNTIME_CPU", "RUNTIME_MEMORY", "RUNTIME_CODE_ROOT", "RUNTIME_API_ADDR", "RUNTIME_MAX_RESP_BODY_SIZE",
		"RUNTIME_INITIALIZER_HANDLER", "RUNTIME_INITIALIZER_TIMEOUT", "RUNTIME_ROOT", "RUNTIME_LOG_DIR",
		"PATH", "HOME", "TMPDIR",
	}
}

// complete fills in the defaults and checks the definition.
func (f Function) complete() (Function, error) {
	if f.Timeout == 0 {
		f.Timeout = minTimeout
	}
	if f.MemoryMB == 0 {
		f.MemoryMB = defaultMemory
	}
	if f.MaxInstances == 0 {
		f.MaxInstances = defaultMax
	}
	var faults []error
	if f.Name == "" {
		faults = append(faults, errors.New("it needs a name"))
	}
	if base := filepath.Base(f.Bootstrap); base != "bootstrap" {
		faults = append(faults, fmt.Errorf("the executable of a custom runtime is named bootstrap, not %q", base))
	}
	if f.Timeout < minTimeout || f.Timeout > maxTimeout || f.Timeout%time.Second != 0 {
		faults = append(faults, fmt.Errorf("the timeout is %v: whole seconds from %v to %v are allowed", f.Timeout, minTimeout, maxTimeout))
	}
	if !slices.Contains(memorySizes(), f.MemoryMB) {
		faults = append(faults, fmt.Errorf("the memory is %d MB: allowed are %v", f.MemoryMB, memorySizes()))
	}
	if f.AsyncRetries < 0 || f.AsyncRetries > maxAsyncRetries {
		faults = append(faults, fmt.Errorf("asynchronous invocations are tried again %d times: 0 to %d are allowed", f.AsyncRetries, maxAsyncRetries))
	}
	if f.MaxInstances < 0 {
		faults = append(faults, fmt.Errorf("the number of instances is %d", f.MaxInstances))
	}
	return f, errors.Join(append(faults, f.checkVariables()...)...)
}

// checkVariables holds the variables against their limits. Values are never in an error: they may be secrets.
func (f Function) checkVariables() []error {
	var faults []error
	name := regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]*$`)
	size := 0
	for _, key := range slices.Sorted(maps.Keys(f.variables())) {
		size += len(key) + len(f.variables()[key])
		if !name.MatchString(key) {
			faults = append(faults, fmt.Errorf("variable %q: a name is a letter, then letters, digits and _", key))
		}
		if slices.Contains(preset(), key) {
			faults = append(faults, fmt.Errorf("variable %q is set by FunctionGraph", key))
		}
	}
	if n := len(f.variables()); n > maxVariables {
		faults = append(faults, fmt.Errorf("%d environment variables: at most %d are allowed", n, maxVariables))
	}
	if size > maxEnvironment {
		faults = append(faults, fmt.Errorf("the environment variables have %d bytes (FSS.1018): at most %d are allowed", size, maxEnvironment))
	}
	return faults
}

// variables are the variables of the function's configuration.
func (f Function) variables() map[string]string {
	all := maps.Clone(f.UserData)
	if all == nil {
		all = map[string]string{}
	}
	maps.Copy(all, f.Env)
	return all
}

// environment is the environment of the function's processes, without the address of the API.
func (f Function) environment(projectID string) ([]string, error) {
	userData, err := json.Marshal(f.variables())
	if err != nil {
		return nil, fmt.Errorf("encode the user data: %w", err)
	}
	env := []string{
		"RUNTIME_PROJECT_ID=" + projectID,
		"RUNTIME_FUNC_NAME=" + f.Name,
		"RUNTIME_FUNC_VERSION=latest",
		"RUNTIME_PACKAGE=default",
		"RUNTIME_HANDLER=bootstrap",
		"RUNTIME_TIMEOUT=" + strconv.Itoa(int(f.Timeout/time.Second)),
		"RUNTIME_USERDATA=" + string(userData),
		"RUNTIME_MEMORY=" + strconv.Itoa(f.MemoryMB),
		"RUNTIME_CPU=" + strconv.Itoa(f.MemoryMB*100/128), // 100 millicores for every 128 MB
		"RUNTIME_CODE_ROOT=" + codeRoot(f.Bootstrap),
		"RUNTIME_MAX_RESP_BODY_SIZE=" + strconv.Itoa(maxResponse),
	}
	for _, key := range slices.Sorted(maps.Keys(f.Env)) {
		env = append(env, key+"="+f.Env[key])
	}
	return env, nil
}
