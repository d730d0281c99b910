tools_srcs :=
