# mclust's and flexmix's default fits of cells: lines PACKAGE CSV K MODEL SEED on standard input, tab-separated;
# prints a line each: log-likelihood or NA, whether R warned, CPU seconds.
suppressMessages({library(mclust); try(library(flexmix), silent = TRUE)})
for (line in readLines(file("stdin"))) {
  given <- strsplit(line, "\t")[[1]]
  x <- as.matrix(read.csv(given[2]))
  k <- as.integer(given[3])
  set.seed(as.integer(given[5]))
  warned <- FALSE
  reached <- NA
  seconds <- system.time(
    try(withCallingHandlers({
      if (given[1] == "mclust") {
        fit <- Mclust(if (ncol(x) == 1) x[, 1] else x, G = k, modelNames = given[4], verbose = FALSE)
        if (!is.null(fit)) reached <- fit$loglik
      } else {
        y <- cbind(x[, 1], x[, 2] - x[, 1])
        reached <- as.numeric(logLik(flexmix(y ~ 1, k = k, model = FLXMRglm(family = "binomial"))))
      }
    }, warning = function(w) { warned <<- TRUE; invokeRestart("muffleWarning") }), silent = TRUE)
  )
  cat(sprintf("%.17g\t%d\t%.6f\n", reached, warned, seconds[["user.self"]] + seconds[["sys.self"]]))
}
