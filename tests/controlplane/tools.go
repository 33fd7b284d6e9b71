//go:build tools

// Package controlplane names the commands build.sh compiles, so that
// `go mod tidy` keeps their whole dependency tree in go.mod and go.sum.
// It is never built itself: the "tools" tag is never set.
package controlplane

import (
	_ "k8s.io/kubernetes/cmd/kube-apiserver"
	_ "k8s.io/kubernetes/cmd/kube-controller-manager"
	_ "k8s.io/kubernetes/cmd/kubectl"
)
