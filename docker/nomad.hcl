# Two balancers and any number of web apps on Nomad: docs/nomad.md tells how.
#
#     nomad job run docker/nomad.hcl
#     nomad job scale rollcall webapp 5
#
# Nomad knows the web apps, so Serf is not used: a template gives each balancer Nomad's own list. It needs Nomad 1.4, for
# variables. It has been checked for syntax and against Nomad's manual, and has not been run on a cluster.
variable "tag" {
  type = string
  # Not `latest`, which Nomad always pulls from a registry.
  default = "1"
}

job "rollcall" {
  type = "service"

  # One machine after the other.
  update {
    max_parallel      = 1
    health_check      = "checks"
    min_healthy_time  = "5s"
    healthy_deadline  = "2m"
    progress_deadline = "5m"
    auto_revert       = true
  }

  group "ha" {
    count          = 2
    shutdown_delay = "5s"

    # The port is the machine's.
    constraint {
      operator = "distinct_hosts"
      value    = "true"
    }

    network {
      port "http" {
        static = 80
        to     = 80
      }
    }

    service {
      provider = "nomad"
      name     = "ha"
      port     = "http"

      check {
        type     = "http"
        path     = "/healthz"
        interval = "5s"
        timeout  = "2s"
      }
    }

    task "ha" {
      driver       = "docker"
      user         = "900:900"
      kill_signal  = "SIGTERM"
      kill_timeout = "20s"

      config {
        image           = "rollcall-ha:${var.tag}"
        ports           = ["http"]
        readonly_rootfs = true
        cap_drop        = ["all"]
        security_opt    = ["no-new-privileges"]
        sysctl = {
          "net.ipv4.ip_unprivileged_port_start" = "80"
          # 16 s until the kernel gives up a request to a machine that has vanished.
          "net.ipv4.tcp_retries2" = "5"
        }

        mount {
          type   = "tmpfs"
          target = "/run"
          tmpfs_options {
            size = 16777216
          }
        }

        mount {
          type   = "tmpfs"
          target = "/nodes"
          tmpfs_options {
            size = 16777216
          }
        }
      }

      env {
        ROLLCALL_MEMBERS         = "command"
        ROLLCALL_MEMBERS_COMMAND = "cat /local/members.json"
        # Nomad ends a task that needs more than its memory. Raise both together.
        BALANCER_SET = "maxconn=4000"
      }

      # The form is that of docs/members.md. SIGHUP makes the balancer read it at once.
      template {
        destination   = "local/members.json"
        change_mode   = "signal"
        change_signal = "SIGHUP"
        splay         = "0s"
        wait {
          min = "1s"
          max = "2s"
        }
        data          = <<-END
          [{{ range $index, $server := nomadService "webapp" }}{{ if $index }},{{ end }}
            {"name": {{ $server.AllocID | toJSON }}, "address": {{ $server.Address | toJSON }},
             "tags": {"port": {{ $server.Port }}}}{{ end }}
          ]
        END
      }

      template {
        destination = "secrets/COOKIE_KEY"
        perms       = "400"
        uid         = 900
        gid         = 900
        data        = "{{ with nomadVar \"nomad/jobs/rollcall/ha/ha\" }}{{ .cookie_key }}{{ end }}"
      }

      resources {
        cpu    = 200
        memory = 256
      }
    }
  }

  group "webapp" {
    count = 2
    # Nomad takes a server out of its list, and stops it this much later.
    shutdown_delay = "10s"

    network {
      port "http" {
        to = 3000
      }
    }

    service {
      provider = "nomad"
      name     = "webapp"
      port     = "http"

      check {
        type     = "http"
        path     = "/healthz"
        interval = "5s"
        timeout  = "2s"
      }
    }

    task "webapp" {
      driver      = "docker"
      user        = "900:900"
      kill_signal = "SIGTERM"
      # A request in flight may take 30 s, as long as HAProxy waits for an answer. Clients allow 30 s by default.
      kill_timeout = "40s"

      config {
        image           = "rollcall-webapp:${var.tag}"
        ports           = ["http"]
        readonly_rootfs = true
        cap_drop        = ["all"]
        security_opt    = ["no-new-privileges"]

        mount {
          type   = "tmpfs"
          target = "/run"
          tmpfs_options {
            size = 16777216
          }
        }
      }

      env {
        # Without Serf.
        ROLLCALL_MEMBERS = "command"
      }

      template {
        destination = "secrets/SESSION_SECRET"
        perms       = "400"
        uid         = 900
        gid         = 900
        data        = "{{ with nomadVar \"nomad/jobs/rollcall/webapp/webapp\" }}{{ .session_secret }}{{ end }}"
      }

      resources {
        cpu    = 200
        memory = 128
      }
    }
  }
}
