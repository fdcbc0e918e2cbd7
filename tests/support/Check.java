import java.io.FileInputStream;
import java.net.URI;
import java.security.cert.*;
import java.util.*;

/** Asks an OCSP responder about certificates the way Java programs do, and prints one line each. */
public class Check {
    public static void main(String[] args) throws Exception {
        CertificateFactory factory = CertificateFactory.getInstance("X.509");
        X509Certificate issuer = read(factory, args[1]);
        for (String name : Arrays.copyOfRange(args, 2, args.length)) {
            System.out.println(name + ": " + judge(factory, URI.create(args[0]), issuer, name));
        }
    }

    static X509Certificate read(CertificateFactory factory, String name) throws Exception {
        try (FileInputStream in = new FileInputStream(name)) {
            return (X509Certificate) factory.generateCertificate(in);
        }
    }

    static String judge(CertificateFactory factory, URI responder, X509Certificate issuer, String name)
            throws Exception {
        CertPathValidator validator = CertPathValidator.getInstance("PKIX");
        PKIXRevocationChecker checker = (PKIXRevocationChecker) validator.getRevocationChecker();
        checker.setOcspResponder(responder);
        checker.setOptions(EnumSet.of(PKIXRevocationChecker.Option.NO_FALLBACK));
        PKIXParameters parameters = new PKIXParameters(Set.of(new TrustAnchor(issuer, null)));
        parameters.addCertPathChecker(checker);
        try {
            validator.validate(factory.generateCertPath(List.of(read(factory, name))), parameters);
            return "good";
        } catch (CertPathValidatorException error) {
            if (error.getCause() instanceof CertificateRevokedException revoked) {
                return revoked.getRevocationReason().toString();
            }
            return error.toString();
        }
    }
}
