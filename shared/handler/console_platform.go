package handler

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/dataarts-backup/dataarts-backup/shared/functiongraph"
	"github.com/dataarts-backup/dataarts-backup/shared/lambda"
	"github.com/dataarts-backup/dataarts-backup/shared/schedule"
	"github.com/dataarts-backup/dataarts-backup/shared/signing"
)

// codeUnavailable is the code of an answer that the platform of the backup function did not give, or refused.
const codeUnavailable = "unavailable"

// fgURN is what the URN of a function on FunctionGraph begins with.
const fgURN = "urn:fss:"

// platform is where the backup function runs. The error is a 409 that says which setting is missing: the request is right, and another setting lets it
// through.
func (c *console) platform() (schedule.Platform, error) {
	function := c.config.BackupFunction
	switch {
	case function == "":
		return nil, unready("BACKUP_FUNCTION is not set on the console function: set it to the URN of the backup function (on Lambda its name or ARN), " +
			"to start backups and to change their schedule from here")
	case strings.HasPrefix(function, fgURN):
		return c.functionGraphPlatform(function)
	}
	return c.lambdaPlatform(function)
}

// functionGraphPlatform is FunctionGraph, for the function with this URN: urn:fss:<region>:<project>:function:<package>:<function>, and perhaps a version.
func (c *console) functionGraphPlatform(urn string) (schedule.Platform, error) {
	if c.noKeys != nil {
		return nil, unready("the console function has no keys for FunctionGraph: %v", c.noKeys)
	}
	parts := strings.Split(urn, ":")
	if len(parts) < 7 {
		return nil, unready("BACKUP_FUNCTION holds %q, which is no URN of a function: want urn:fss:<region>:<project id>:function:<package>:<function>", urn)
	}
	client, err := functiongraph.New(functiongraph.Options{Endpoint: c.config.FunctionGraphEndpoint, ProjectID: parts[3], Credentials: c.keys,
		Transport: c.options.FactoryTransport, UserAgent: c.options.tool()})
	if err != nil {
		return nil, unready("FUNCTIONGRAPH_ENDPOINT: %v", err)
	}
	return functiongraph.BackupFunction{Client: client, URN: urn}, nil
}

// lambdaPlatform is AWS, for the Lambda function with this name or ARN.
func (c *console) lambdaPlatform(function string) (schedule.Platform, error) {
	keys, err := c.config.RoleCredentials()
	if err != nil {
		return nil, unready("the console function has no keys for AWS: %v", err)
	}
	client, err := lambda.New(lambda.Options{Function: function, Region: c.config.AWS.Region, LambdaEndpoint: c.config.AWS.LambdaEndpoint,
		SchedulerEndpoint: c.config.AWS.SchedulerEndpoint, Credentials: signing.Credentials(keys), Transport: c.options.FactoryTransport, UserAgent: c.options.tool()})
	if err != nil {
		return nil, unready("BACKUP_FUNCTION holds %q: %v", function, err)
	}
	return client, nil
}

// unready is a 409: the console is not set up for what is asked.
func unready(format string, args ...any) error {
	return &httpError{status: http.StatusConflict, code: codeConflict, message: fmt.Sprintf(format, args...)}
}

// platformError is what a failure of the platform looks like by HTTP: 409 where its timers are in the way, 504 where the time was not enough, else 502 with
// what it said.
func platformError(ctx context.Context, err error) error {
	if _, ok := errors.AsType[*httpError](err); ok || err == nil {
		return err
	}
	if _, ok := errors.AsType[*schedule.Conflict](err); ok {
		return unready("%v", err)
	}
	if ctx.Err() != nil {
		return &httpError{status: http.StatusGatewayTimeout, code: codeTimeout,
			message: fmt.Sprintf("the platform of the backup function did not answer in time, and what it did is not known: %v", err)}
	}
	return &httpError{status: http.StatusBadGateway, code: codeUnavailable, message: err.Error()}
}
