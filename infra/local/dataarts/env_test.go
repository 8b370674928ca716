package dataarts_test

import (
	"strings"
	"testing"

	"github.com/dataarts-backup/dataarts-backup/infra/local/dataarts"
)

const envPath = "v2:/v2/{p}/factory/env"

func TestEnv_is_replaced_and_kept_byte_for_byte(t *testing.T) {
	t.Parallel()
	c := newCloud(t, dataarts.Switches{})
	if got := c.want(200, "", "GET", envPath, ""); got != `{"params":[]}` {
		t.Errorf("an empty workspace: %s", got)
	}
	c.want(200, "", "PUT", envPath, `{"params":[{"name":"old","type":"constant","value":""}]}`)
	sent := `{ "params":[{"name":"dlf.dt","type":"variable","value":"#{DateUtil.format(DateUtil.now(),\"yyyyMMdd\")}","x":1.0}],"x":{"y":12345678901234567890} }`
	c.want(200, "", "PUT", envPath, sent+"\n")
	if got := c.want(200, "", "GET", envPath, ""); got != sent {
		t.Errorf("env: %s, want %s", got, sent)
	}
}

func TestEnv_merges_by_switch(t *testing.T) {
	t.Parallel()
	c := newCloud(t, dataarts.Switches{EnvMerge: true})
	c.want(200, "", "PUT", envPath, `{"params":[{"name":"a","type":"constant","value":"1"},{"name":"b","type":"constant","value":"2"}]}`)
	c.want(200, "", "PUT", envPath, `{"params":[{"name":"b","type":"variable","value":"3"},{"name":"c","type":"constant","value":"4"}]}`)
	want := `{"params":[{"name":"a","type":"constant","value":"1"},{"name":"b","type":"variable","value":"3"},{"name":"c","type":"constant","value":"4"}]}`
	if got := c.want(200, "", "GET", envPath, ""); got != want {
		t.Errorf("env: %s, want %s", got, want)
	}
}

func TestEnv_answers_in_three_ways(t *testing.T) {
	t.Parallel()
	for way, want := range map[dataarts.EnvAnswer]answer{
		"": {status: 200}, dataarts.EnvAnswerHeader: {status: 200}, dataarts.EnvAnswerJSON: {status: 200, body: `{"is_success":true,"status_code":200}`}, dataarts.EnvAnswerNoContent: {status: 204},
	} {
		c := newCloud(t, dataarts.Switches{EnvAnswer: way})
		got := c.call("PUT", envPath, `{"params":[]}`)
		if got.status != want.status || got.body != want.body {
			t.Errorf("%q: %d %q, want %d %q", way, got.status, got.body, want.status, want.body)
		}
		if header := got.header.Get("is_success"); (header == "true") != (way == "" || way == dataarts.EnvAnswerHeader) {
			t.Errorf("%q: header is_success %q", way, header)
		}
	}
}

func TestEnv_is_missing_in_some_regions_by_switch(t *testing.T) {
	t.Parallel()
	c := newCloud(t, dataarts.Switches{EnvUnsupported: true})
	c.want(404, "APIGW.0101", "GET", envPath, "")
	c.want(404, "APIGW.0101", "PUT", envPath, `{"params":[]}`)
}

func TestEnv_refuses(t *testing.T) {
	t.Parallel()
	c := newCloud(t, dataarts.Switches{})
	variable := `{"name":"a","type":"constant","value":"1"}`
	for name, params := range map[string]string{
		"no list":            `{}`,
		"a name twice":       `[` + variable + `,` + variable + `]`,
		"a bad name":         `[{"name":"a b","type":"constant","value":"1"}]`,
		"a long name":        `[{"name":"` + strings.Repeat("a", 65) + `","type":"constant","value":"1"}]`,
		"an unknown type":    `[{"name":"a","type":"secret","value":"1"}]`,
		"a value of no text": `[{"name":"a","type":"constant","value":1}]`,
	} {
		t.Run(name, func(t *testing.T) {
			c.want(400, "DLF.3051", "PUT", envPath, `{"params":`+params+`}`)
		})
	}
	c.want(400, "DLF.3051", "PUT", envPath, `[]`)
}
