package config

import "errors"

// keyring holds the credentials of the environment. See Config.keys for how it is kept.
type keyring struct {
	functionGraph bool        // the credentials for DataArts come with each invocation
	dataArts      Credentials // HUAWEICLOUD_SDK_*
	store         Credentials // OBS_*
	role          Credentials // AWS_*, only on Lambda
}

// The names of a key pair's three variables.
type keyNames struct{ access, secret, token string }

func dataArtsKeyNames() keyNames {
	return keyNames{"HUAWEICLOUD_SDK_AK", "HUAWEICLOUD_SDK_SK", "HUAWEICLOUD_SDK_SECURITY_TOKEN"}
}

func storeKeyNames() keyNames {
	return keyNames{"OBS_ACCESS_KEY_ID", "OBS_SECRET_ACCESS_KEY", "OBS_SECURITY_TOKEN"}
}

func roleKeyNames() keyNames {
	return keyNames{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"}
}

// keyring reads the credentials before everything else, so that no fault of another variable can repeat one of them.
func (r *reader) keyring() keyring {
	lambda := r.platform("AWS_LAMBDA_RUNTIME_API") != ""
	k := keyring{
		functionGraph: !lambda && r.platform("RUNTIME_API_ADDR") != "",
		dataArts:      r.credentials(dataArtsKeyNames()),
		store:         r.credentials(storeKeyNames()),
	}
	if lambda {
		k.role = r.credentials(roleKeyNames())
	}
	return k
}

func (r *reader) credentials(names keyNames) Credentials {
	c := Credentials{
		AccessKey:     r.platform(names.access),
		SecretKey:     r.platform(names.secret),
		SecurityToken: r.platform(names.token),
	}
	for _, value := range []string{c.AccessKey, c.SecretKey, c.SecurityToken} {
		if value != "" {
			r.secrets = append(r.secrets, value)
		}
	}
	return c
}

// check reports the credentials that are missing, as far as that can be known before an invocation.
func (k keyring) check(r *reader, c *Config) {
	// The console calls DataArts and FunctionGraph only when it is asked to.
	needsDataArts := r.assets
	if k.store != (Credentials{}) {
		r.incomplete(k.store, storeKeyNames())
	} else {
		switch {
		case k.usesRole(c.OBSEndpoint):
			r.incomplete(k.role, roleKeyNames())
		case !k.functionGraph:
			needsDataArts = true
		}
	}
	if needsDataArts && !k.functionGraph {
		r.incomplete(k.dataArts, dataArtsKeyNames())
	}
}

// incomplete reports which half of a key pair is missing.
func (r *reader) incomplete(c Credentials, names keyNames) {
	if c.AccessKey == "" {
		r.missing(names.access, "an access key id")
	}
	if c.SecretKey == "" {
		r.missing(names.secret, "the secret key of "+names.access)
	}
}

// usesRole tells whether the store takes the keys of the Lambda function's role.
func (k keyring) usesRole(obsEndpoint string) bool {
	return k.role != (Credentials{}) && !speaksOBS(obsEndpoint)
}

// errNoAgency is the one way in which credentials can be missing on FunctionGraph.
var errNoAgency = errors.New("the invocation carries no credentials: give the function an agency " +
	"that may use DataArts and OBS, or wait some minutes when it was given one just now")

// DataArtsCredentials returns the credentials for DataArts and FunctionGraph. invocation is what came with the invocation; on
// FunctionGraph, where keys are temporary and change between invocations, it is the answer. Everywhere else the answer is
// HUAWEICLOUD_SDK_AK, HUAWEICLOUD_SDK_SK and HUAWEICLOUD_SDK_SECURITY_TOKEN. The error says what is missing.
func (c *Config) DataArtsCredentials(invocation Credentials) (Credentials, error) {
	if c.keys().functionGraph {
		if invocation.AccessKey == "" || invocation.SecretKey == "" {
			return Credentials{}, errNoAgency
		}
		return invocation, nil
	}
	r := &reader{}
	r.incomplete(c.keys().dataArts, dataArtsKeyNames())
	if len(r.faults) > 0 {
		return Credentials{}, r.faults
	}
	return c.keys().dataArts, nil
}

// StoreCredentials returns the credentials for the store: OBS_ACCESS_KEY_ID, OBS_SECRET_ACCESS_KEY and OBS_SECURITY_TOKEN where they
// are set; on Lambda with an S3 endpoint the role's AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN; else those
// of DataArtsCredentials.
func (c *Config) StoreCredentials(invocation Credentials) (Credentials, error) {
	switch {
	case c.keys().store != (Credentials{}):
		return c.keys().store, nil
	case c.keys().usesRole(c.OBSEndpoint):
		return c.keys().role, nil
	}
	return c.DataArtsCredentials(invocation)
}

// RoleCredentials returns the AWS credentials of a Lambda function's role, for calls to AWS itself. Everywhere but on Lambda they are
// missing, and the error says so.
func (c *Config) RoleCredentials() (Credentials, error) {
	r := &reader{}
	r.incomplete(c.keys().role, roleKeyNames())
	if len(r.faults) > 0 {
		return Credentials{}, r.faults
	}
	return c.keys().role, nil
}
