import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.Date;
import java.util.TimeZone;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.quartz.CronExpression;

/**
 * Answers what the real Quartz does, a line for a line.
 *
 * <p>Asked {@code fires TAB expression TAB zone TAB epoch seconds TAB count}, with the expression's UTF-16 units as
 * four hexadecimal digits each, it tells the fire times after the instant in epoch seconds, and {@code none} after
 * the last; {@code rejected message}; {@code broken message} where the expression was accepted and cannot be
 * evaluated; or {@code hangs}, if it has not come to an end within two seconds. It is over then, and has to be
 * started anew for the lines that follow.
 *
 * <p>Asked {@code changes TAB zone TAB from TAB to}, it tells the offset from UTC in seconds at the first instant,
 * and every change after it up to the second one as {@code instant:offset}. The first line tells the last year to
 * which Quartz looks ahead.
 */
public final class Oracle {
    private static final int PATIENCE_SECONDS = 2;
    private static final long STEP = 6 * 3600;

    private static final String HANGS = "hangs";
    private static final ExecutorService WORKER = Executors.newSingleThreadExecutor();

    public static void main(String[] arguments) throws Exception {
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        PrintStream out = new PrintStream(System.out, false, StandardCharsets.UTF_8);
        out.println(CronExpression.MAX_YEAR);
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            String[] asked = line.split("\t", -1);
            String answer = asked[0].equals("changes") ? changes(asked) : watched(asked);
            out.println(answer);
            if (answer.equals(HANGS)) {
                break;
            }
        }
        out.flush();
        Runtime.getRuntime().halt(0);
    }

    private static String watched(String[] asked) throws InterruptedException {
        Future<String> answer = WORKER.submit(() -> fires(asked));
        try {
            return answer.get(PATIENCE_SECONDS, TimeUnit.SECONDS);
        } catch (ExecutionException failed) {
            return "broken " + oneLine(failed.getCause().toString());
        } catch (TimeoutException late) {
            return HANGS;
        }
    }

    private static String fires(String[] asked) {
        CronExpression cron;
        try {
            cron = new CronExpression(decoded(asked[1]));
        } catch (Exception rejected) {
            return "rejected " + oneLine(String.valueOf(rejected.getMessage()));
        }
        cron.setTimeZone(TimeZone.getTimeZone(asked[2]));
        Date after = new Date(Long.parseLong(asked[3]) * 1000);
        StringBuilder times = new StringBuilder();
        for (int left = Integer.parseInt(asked[4]); left > 0; left--) {
            after = cron.getNextValidTimeAfter(after);
            if (after == null) {
                return times.append("none").toString();
            }
            times.append(after.getTime() / 1000).append(' ');
        }
        return times.toString().trim();
    }

    private static String decoded(String units) {
        StringBuilder text = new StringBuilder();
        for (int at = 0; at < units.length(); at += 4) {
            text.append((char) Integer.parseInt(units.substring(at, at + 4), 16));
        }
        return text.toString();
    }

    private static String oneLine(String message) {
        return message.replaceAll("\\s+", " ");
    }

    private static String changes(String[] asked) {
        TimeZone zone = TimeZone.getTimeZone(asked[1]);
        long to = Long.parseLong(asked[3]);
        long at = Long.parseLong(asked[2]);
        StringBuilder found = new StringBuilder().append(offset(zone, at));
        for (; at < to; at += STEP) {
            if (offset(zone, at) != offset(zone, at + STEP)) {
                long before = at;
                long after = at + STEP;
                while (after - before > 1) {
                    long middle = (before + after) / 2;
                    if (offset(zone, middle) == offset(zone, at)) {
                        before = middle;
                    } else {
                        after = middle;
                    }
                }
                found.append(' ').append(after).append(':').append(offset(zone, after));
            }
        }
        return found.toString();
    }

    private static int offset(TimeZone zone, long instant) {
        return zone.getOffset(instant * 1000) / 1000;
    }
}
