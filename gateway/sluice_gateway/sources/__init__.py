"""Where the configuration comes from. Locally it is a folder of YAML files, which the gateway compiles itself."""
