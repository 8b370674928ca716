package local

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"io"
	"log"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/dataarts-backup/dataarts-backup/infra/local/functiongraph"
)

// deploy makes the functions, with the settings that a template gives them.
func (c *Cloud) deploy(ctx context.Context) error {
	for _, f := range []struct {
		name       string
		timeout    time.Duration
		deployment **functiongraph.Deployment
	}{
		{"backup", 15 * time.Minute, &c.Backup},
		{"restore", 15 * time.Minute, &c.Restore},
		{"console", 30 * time.Second, &c.Console},
	} {
		d, err := c.functions.Deploy(ctx, functiongraph.Function{
			Name:         f.name,
			Bootstrap:    filepath.Join(c.opts.Dist, f.name, "bootstrap"),
			Env:          c.variables(),
			Timeout:      f.timeout,
			AsyncRetries: 1, // the service's default
		})
		if err != nil {
			return err
		}
		*f.deployment = d
	}
	_, err := c.Backup.CreateTimer(functiongraph.Timer{Name: TimerName, Active: true, ScheduleType: "Cron",
		Schedule: "CRON_TZ=" + cmp.Or(c.opts.Variables["BACKUP_TIME_ZONE"], "UTC") + " 0 0 0 * * *"})
	return err
}

// variables is the environment of the functions. There are no keys in it: those come with every invocation.
func (c *Cloud) variables() map[string]string {
	var ids []string
	for _, w := range c.opts.Workspaces {
		ids = append(ids, w.ID)
	}
	all := map[string]string{
		"DATAARTS_REGION":      Region,
		"DATAARTS_PROJECT_ID":  ProjectID,
		"DATAARTS_INSTANCE_ID": InstanceID,
		"DATAARTS_WORKSPACES":  strings.Join(ids, ","),
		"DATAARTS_ENDPOINT":    c.DataArtsURL,
		"DATAARTS_V2_ENDPOINT": c.DataArtsV2URL,
		"DATAARTS_RATE_LIMIT":  "1000", // nobody else is served here
		"OBS_ENDPOINT":         c.StoreURL,
		"BACKUP_LOCATION":      "obs://" + Bucket + "/{workspace}",

		"BACKUP_FUNCTION":        "urn:fss:" + Region + ":" + ProjectID + ":function:default:backup",
		"FUNCTIONGRAPH_ENDPOINT": c.FunctionGraphURL,
		"SMN_ENDPOINT":           c.SMNURL,
		"NOTIFY_TOPIC_URN":       c.TopicURN,
	}
	maps.Copy(all, c.opts.Variables)
	maps.DeleteFunc(all, func(_, value string) bool { return value == "" })
	return all
}

// Environment is what a bootstrap needs that is started by hand to work on this cloud, reading its event from standard input: the functions' settings
// and permanent keys, each as NAME=value. Nothing else is needed, and nothing of this process is in it.
func (c *Cloud) Environment() []string {
	all := c.variables()
	all["HUAWEICLOUD_SDK_AK"], all["HUAWEICLOUD_SDK_SK"] = c.keys.AccessKey, c.keys.SecretKey
	var env []string
	for _, name := range slices.Sorted(maps.Keys(all)) {
		env = append(env, name+"="+all[name])
	}
	return env
}

func randomHex(bytes int) string {
	b := make([]byte, bytes)
	_, _ = rand.Read(b) // It never fails: see crypto/rand.
	return hex.EncodeToString(b)
}

func discardLog() *log.Logger { return log.New(io.Discard, "", 0) }
